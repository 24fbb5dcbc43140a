"""Decisions about keep-alive: values in, values out; no clock, thread, socket or file."""

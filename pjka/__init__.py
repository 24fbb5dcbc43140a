"""Keep-alive and transport management for PJSIP systems."""

"""The rows of ``pjka show flows``: each flow, and each connection that should carry one and does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pjka.flows import Carried, Flows, Owner
from pjka.keepalive.flow import ClientFlow, ServerFlow, ServerState, State, Version
from pjka.keepalive.policy import Mechanism, Policy
from pjka.monitors import Connection, address
from pjka.registration import machine
from pjka.registration.registrations import Leg, Registrations
from pjka.status import FlowRow

_STATES = {
    State.AWAITING: "suspect",
    State.FAILED: "failed",
    State.CLOSED: "failed",
    ServerState.EXPIRED: "failed",
    ServerState.CLOSED: "failed",
}


_REGISTRATIONS = {
    machine.State.WAITING: "waiting",
    machine.State.REGISTERING: "registering",
    machine.State.REJECTED: "failed",
    machine.State.STOPPED: "failed",
}


def registration_rows(registrations: Registrations, flows: Flows, now: float) -> list[FlowRow]:
    """The flows of our registrations, or what became of them."""
    rows = [_leg_row(leg, flows, now) for legs in registrations.legs.values() for leg in legs]
    return rows + [
        FlowRow(role="client", aor=name, transport="", peer="", state="failed", why_not=problem)
        for name, problem in registrations.problems.items()
    ]


def server_rows(flows: Flows, now: float) -> list[FlowRow]:
    """The flows of those who registered with us."""
    return [
        server_row(flow, flow.engine, owner, now)
        for flow in flows
        if isinstance(flow.engine, ServerFlow)
        for owner in flow.owners
    ]


def unused_rows(
    flows: Flows, connections: Iterable[Connection], policy: Callable[[str], Policy | None]
) -> list[FlowRow]:
    """The connections that no flow keeps alive although that is their transport's mechanism."""
    return [
        _unused_row(connection)
        for connection in connections
        if (found := policy(connection.transport)) is not None
        and found.mechanism is Mechanism.OUTBOUND
        and not ((flow := flows.get(connection.serial)) and flow.owners)
    ]


def server_row(flow: Carried, engine: ServerFlow, owner: Owner, now: float) -> FlowRow:
    """A flow of one who registered with us."""
    due, connection = engine.ping_due, flow.connection
    return FlowRow(
        role="server",
        aor=owner.name,
        transport=connection.transport,
        peer=address(connection.peer),
        state=_STATES.get(engine.state, "up"),
        connection=connection.serial,
        reg_id=owner.reg_id,
        instance_id=owner.instance_id,
        version=flow.version.value,
        kept_alive=due is not None,
        why_not="" if due is not None else _why_no_timer(flow, owner),
        flow_timer=engine.flow_timer,
        next_ping=None if due is None else max(due - now, 0.0),
        pings=engine.pings,
        pongs=engine.pings,
    )


def client_row(flow: Carried, engine: ClientFlow, owner: Owner, now: float) -> FlowRow:
    """A flow of a registration of ours."""
    due, following, connection = engine.pong_due, engine.next_ping, flow.connection
    return FlowRow(
        role="client",
        aor=owner.name,
        transport=connection.transport,
        peer=address(connection.peer),
        state=_STATES.get(engine.state, "up"),
        connection=connection.serial,
        reg_id=owner.reg_id,
        instance_id=owner.instance_id,
        version=flow.version.value,
        kept_alive=not engine.why_not,
        why_not=engine.why_not,
        flow_timer=engine.flow_timer,
        next_ping=None if following is None else max(following - now, 0.0),
        pong_due=None if due is None else max(due - now, 0.0),
        pings=engine.pings,
        pongs=engine.pongs,
        rtt=engine.rtt,
    )


def _leg_row(leg: Leg, flows: Flows, now: float) -> FlowRow:
    flow = flows.get(leg.serial) if leg.serial is not None else None
    if flow is not None and isinstance(flow.engine, ClientFlow) and leg.owner in flow.owners:
        row = client_row(flow, flow.engine, leg.owner, now)
    else:
        mechanism = "is not outbound" if not leg.outbound else "has no flow yet"
        row = FlowRow(
            role="client",
            aor=leg.owner.name,
            transport=leg.exit.transport,
            peer=address((leg.hop.host, leg.hop.port)),
            state="up",
            connection=leg.serial,
            reg_id=leg.owner.reg_id if leg.outbound else None,
            instance_id=leg.owner.instance_id if leg.outbound else "",
            why_not=leg.client.problem or f"the transport {mechanism}",
        )
    client = leg.client
    waiting = client.state is machine.State.WAITING and client.due is not None
    return replace(
        row,
        state=_REGISTRATIONS.get(client.state, row.state),
        failures=client.failures,
        retry_in=max(client.due - now, 0.0) if waiting and client.due is not None else None,
        expires=None if client.expires_at is None else max(client.expires_at - now, 0.0),
    )


def _why_no_timer(flow: Carried, owner: Owner) -> str:
    if flow.version is Version.DRAFT03:
        return "draft03 knows no Flow-Timer"
    if owner.reg_id is None:
        return "the REGISTER carried no reg-id with an instance-id"
    return "no Flow-Timer was given"


def _unused_row(connection: Connection) -> FlowRow:
    if connection.incoming:
        why_not = "no REGISTER has come over this connection"
    else:
        why_not = "no registration uses this connection"
    return FlowRow(
        role="server" if connection.incoming else "client",
        aor="",
        transport=connection.transport,
        peer=address(connection.peer),
        state="up",
        connection=connection.serial,
        why_not=why_not,
    )

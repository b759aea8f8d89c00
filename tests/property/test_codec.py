"""The codec: what is encoded is decoded; what is not the protocol is refused in bounded time and memory."""

from enum import IntEnum, IntFlag
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.channel import codes, file_messages
from devbench_core.channel.codec import (
    HEADER,
    MESSAGES,
    PAYLOAD_MAX,
    START_PAYLOAD_MAX,
    FrameDecoder,
    decode,
    encode,
)
from devbench_core.channel.codes import Way
from devbench_core.channel.exec_messages import Entry
from devbench_core.channel.file_messages import Named, Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.wire import OFFSET_MAX, WIRE, Malformed

M = TypeVar("M")

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
OFFSET = st.integers(0, OFFSET_MAX)
TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
STRING = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"0"))
STAT = st.builds(
    Stat,
    type=st.sampled_from(file_messages.NodeType),
    mode=U32,
    size=U64,
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    uid=U32,
    gid=U32,
    etag=TEXT,
    target=STRING,
)
ENTRY = st.builds(
    Entry, handle=U32, state=st.sampled_from(codes.RunState), pid=U32, first=OFFSET, next=OFFSET, key=TEXT
)
BY_NAME: dict[str, st.SearchStrategy[object]] = {
    "magic": st.binary(min_size=4, max_size=4),
    "boot_id": st.binary(min_size=16, max_size=16),
    "nonce": st.binary(min_size=32, max_size=32),
    "secret": st.binary(min_size=32, max_size=32),
    "proof": st.binary(min_size=32, max_size=32),
    "major": U16,
    "minor": U16,
    "columns": U16,
    "rows": U16,
    "nice": st.integers(-(2**31), 2**31 - 1),
    "features": st.lists(TEXT, max_size=5).map(tuple),
    "argv": st.lists(STRING, max_size=5).map(tuple),
    "env": st.lists(STRING, max_size=5).map(tuple),
    "stat": STAT,
    "method": st.sampled_from(codes.Method),
    "stream": st.sampled_from(codes.Source),
    "scope": st.sampled_from(codes.Scope),
    "state": st.sampled_from(codes.RunState),
    "type": U8,
    "signal": U8,
}
SPECIAL: dict[tuple[str, str], st.SearchStrategy[object]] = {
    ("Error", "code"): st.sampled_from(codes.Fault),
    ("Goodbye", "reason"): st.sampled_from(codes.Leave),
    ("Refused", "code"): st.sampled_from(codes.Refusal),
    ("Failed", "code"): st.sampled_from(codes.Failure),
    ("FileError", "code"): st.sampled_from(file_messages.FileFault),
    ("Ended", "reason"): st.sampled_from(codes.EndedBy),
    ("EntryList", "entries"): st.lists(ENTRY, max_size=4).map(tuple),
    ("Entries", "entries"): st.lists(st.builds(Named, name=STRING, stat=STAT), max_size=4).map(tuple),
    ("Output", "data"): st.binary(min_size=1, max_size=100),
    ("Data", "data"): st.binary(min_size=1, max_size=100),
    ("SideInput", "data"): st.binary(min_size=1, max_size=100),
    ("ReadLines", "width"): U8,
    ("Gap", "end"): OFFSET,
    ("Resumed", "next"): OFFSET,
    ("Ended", "output_end"): OFFSET,
}
NUMBERS: dict[str, st.SearchStrategy[object]] = {"B": U8, "H": U16, "I": U32, "Q": OFFSET}
OWN_NAMES = {"bytes": bytes}  # one message has a field of this name
BY_TYPE: dict[str, st.SearchStrategy[object]] = {
    "int": U32,
    "bool": st.booleans(),
    "str": TEXT,
    "bytes": STRING,
}


def field_strategy(message: type[Any], field: "attrs.Attribute[Any]") -> st.SearchStrategy[Any]:
    special = SPECIAL.get((message.__name__, field.name))
    type_ = get_type_hints(message, localns=OWN_NAMES)[field.name]
    if special is None and not is_choice(type_):
        special = BY_NAME.get(field.name)
    return strategy_of(type_, field) if special is None else special


def is_choice(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, IntEnum) and not issubclass(type_, IntFlag)


def strategy_of(type_: Any, field: "attrs.Attribute[Any]") -> st.SearchStrategy[Any]:
    """Return what a field's type and its place in the frame allow."""
    if get_origin(type_) is tuple:
        return st.lists(strategy_of(get_args(type_)[0], field), max_size=4).map(tuple)
    if attrs.has(type_):
        return message_strategy(type_)
    if is_choice(type_):
        return st.sampled_from(type_)
    code = field.metadata[WIRE].code if WIRE in field.metadata else ""
    return NUMBERS.get(code, U32) if issubclass(type_, int) and type_ is not bool else BY_TYPE[type_.__name__]


def message_strategy(message: type[M]) -> st.SearchStrategy[M]:
    fields = {field.name: field_strategy(message, field) for field in attrs.fields(message)}
    return st.builds(message, **fields)


ANY = st.one_of(*(message_strategy(message) for message in MESSAGES.values()))


@given(ANY)
@settings(max_examples=500)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    frame = encode(message)
    length, type_, flags, number = HEADER.unpack_from(frame)
    assert (length, flags, number) == (len(frame) - HEADER.size, 0, message.id)
    assert decode(type_, number, frame[HEADER.size :]) == message


@given(st.lists(ANY, max_size=6), st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_a_stream_is_decoded_however_it_is_cut(messages: list[Message], cuts: list[int]) -> None:
    both = [message for message in messages if message.WAY is not Way.HOST]
    data = b"".join(encode(message) for message in both)
    decoder, found, position, turn = FrameDecoder(Way.AGENT), list[Message](), 0, 0
    decoder.early = False
    while position < len(data):
        step = cuts[turn % len(cuts)]
        decoder.feed(data[position : position + step])
        position, turn = position + step, turn + 1
        while (message := decoder.next()) is not None:
            found.append(message)
    assert found == both
    assert decoder.pending_bytes == 0


@given(st.lists(st.binary(max_size=400), max_size=20), st.booleans())
def test_arbitrary_bytes_are_refused_or_wait_within_bounds(pieces: list[bytes], early: bool) -> None:
    decoder = FrameDecoder(Way.AGENT)
    decoder.early = early
    fed = 0
    try:
        for piece in pieces:
            decoder.feed(piece)
            fed += len(piece)
            while decoder.next() is not None:
                pass
            assert decoder.pending_bytes <= min(fed, PAYLOAD_MAX + HEADER.size)
    except Malformed:
        return


@given(U8, st.binary(max_size=300))
@settings(max_examples=500)
def test_arbitrary_payloads_parse_or_are_malformed(type_: int, payload: bytes) -> None:
    try:
        message = decode(type_, 1, payload)
    except Malformed:
        return
    assert decode(type_, 1, encode(message)[HEADER.size :]) == message


@given(ANY, st.data())
def test_a_payload_cut_short_or_too_long_is_malformed_or_another_value(
    message: Message, data: st.DataObject
) -> None:
    payload = encode(message)[HEADER.size :]
    cut = data.draw(st.integers(0, max(0, len(payload) - 1)))
    for other in (payload[:cut], payload + b"x"):
        try:
            assert other == payload or decode(message.TYPE, message.id, other) != message
        except Malformed:
            continue


@given(st.integers(0, 2**32 - 1), U8, st.integers(0, 255), U32)
def test_a_header_alone_decides_whether_its_payload_is_awaited(
    length: int, type_: int, flags: int, number: int
) -> None:
    decoder = FrameDecoder(Way.AGENT)
    decoder.early = False
    decoder.feed(HEADER.pack(length, type_, flags, number))
    message = MESSAGES.get(type_)
    fits = message is not None and message.WAY is not Way.HOST and not flags and length <= PAYLOAD_MAX
    try:
        decoder.next()
    except Malformed:
        assert not fits or length == 0
    else:
        assert fits
        assert length <= START_PAYLOAD_MAX

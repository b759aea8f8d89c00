"""Image references: what is accepted has one form, and nothing else is let through."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from devbench_core.errors import ValidationFailed
from devbench_core.images import ImageReference

PARTS = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?", fullmatch=True)
PORTS = st.just("") | st.integers(1, 65535).map(lambda port: f":{port}")
HOSTS = st.tuples(st.lists(LABELS, min_size=2, max_size=4), PORTS).map(
    lambda host: ".".join(host[0]) + host[1]
)
TAGS = st.just("") | st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
DIGESTS = st.just("") | st.from_regex(r"@sha256:[0-9a-f]{64}", fullmatch=True)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
NORMAL = re.compile(
    r"[a-z0-9.:\[\]-]+(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha(256|512):[0-9a-f]+)?", re.ASCII
)


@given(host=HOSTS, path=PATHS, tag=TAGS, digest=DIGESTS)
def test_every_well_formed_name_is_taken_apart_and_put_together(host: str, path: str, tag: str, digest: str):
    found = ImageReference.parse(f"{host}/{path}{tag}{digest}")
    assert found.registry == host.lower()
    assert found.repository == path
    assert found.tag == (tag[1:] or ("" if digest else "latest"))
    assert found.digest == digest[1:]


@given(path=PATHS, tag=TAGS, digest=DIGESTS)
def test_the_full_form_stays_what_it_is_whatever_the_default_registry(path: str, tag: str, digest: str):
    text = f"{path}{tag}{digest}"
    try:
        full = str(ImageReference.parse(text))
    except ValidationFailed:
        return  # the path's first part may be a host that is none
    assert str(ImageReference.parse(full, default_registry="other.example:1")) == full


@given(st.text(max_size=100) | st.text("aA0._-:/@[] \n", max_size=40))
@example("a\n")
@example("docker.io/../x")
def test_any_text_is_refused_or_becomes_a_normal_name(text: str):
    try:
        full = str(ImageReference.parse(text))
    except ValidationFailed:
        return
    assert NORMAL.fullmatch(full)
    assert ".." not in full
    assert str(ImageReference.parse(full)) == full

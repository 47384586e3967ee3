"""The name that a bundle gets."""

from revision import revision


def test_a_threshold_is_part_of_the_revision_and_the_order_of_keys_is_not():
    manifest = {"format": 1, "revision": "", "files": {"a": {"sha256": "0"}}, "heads": [{"threshold": 0.7}]}
    name = revision(manifest)
    assert len(name) == 12 and int(name, 16) >= 0
    assert revision(dict(reversed(manifest.items())) | {"revision": "of before"}) == name
    assert revision(manifest | {"heads": [{"threshold": 0.8}]}) != name
    assert revision(manifest | {"files": {"a": {"sha256": "1"}}}) != name

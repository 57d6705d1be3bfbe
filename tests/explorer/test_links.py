"""Addresses: what a page hands on to the next."""

from topklm.explorer.links import Links


def test_layer_and_step_0_stay_in_an_address_and_what_was_not_given_does_not() -> None:
    links = Links()
    assert links("neurons", layer=0, page=2) == "neurons?layer=0&page=2"
    assert links("read", text="a", step=0, named=False, q="", where=None) == "read?text=a&step=0"

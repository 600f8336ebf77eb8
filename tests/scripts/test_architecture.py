"""The import graph: rooms, floors and circles; and what holds for that of the package."""

import xml.etree.ElementTree as ET

import pytest

from scripts.architecture import (
    GROUND,
    circles,
    direct,
    duty,
    floors,
    house,
    module_graph,
    picture,
    rooms,
)

GRAPH = {"top": {"middle", "bottom", "side"}, "middle": {"bottom"}, "side": set(), "bottom": set()}
"""Arrows of a small house."""


def test_floors() -> None:
    """Each room stands above all that it knows, and no higher than it must."""
    assert floors(GRAPH) == [["top"], ["middle"], ["bottom", "side"]]


def test_arrows_that_only_shorten_a_way_are_left_out() -> None:
    """From top to bottom one can go by the middle."""
    assert direct(GRAPH) == {
        "top": {"middle", "side"},
        "middle": {"bottom"},
        "side": set(),
        "bottom": set(),
    }


def test_circles_are_found() -> None:
    """Rooms that can reach themselves; there are no floors then."""
    round_about = GRAPH | {"bottom": {"middle"}}

    assert circles(round_about) == ["bottom", "middle"]
    with pytest.raises(ValueError, match="circle among bottom, middle"):
        floors(round_about)


def test_rooms_are_what_is_directly_below_a_package() -> None:
    """Their arrows are those of all modules in them."""
    modules = {
        "a.x.one": {"a.y", "b"},
        "a.x.two": {"a.x.one"},
        "a.y": {"c.z"},
        "b": set(),
        "c.z": set(),
    }

    assert rooms(modules) == {"a": {"b", "c"}, "b": set(), "c": set()}
    assert rooms(modules, "a") == {"x": {"y"}, "y": set()}


def test_the_package_has_no_circle() -> None:
    """No module can reach itself by what is imported when it is loaded or used."""
    assert circles(module_graph()) == []


def test_the_core_stands_below_sockets_and_files() -> None:
    """Data flow from the socket downwards: each floor knows only those below."""
    order = [room for floor in floors(house()) for room in floor]
    way = ["cli", "config", "serve", "storage", "dimse", "upper_layer", GROUND]

    assert sorted(way, key=order.index) == way


def test_every_package_says_its_duty_in_a_line() -> None:
    """The picture shows it."""
    packages = {room for room in house() if room != GROUND}

    assert [room for room in packages if not 0 < len(duty(room)) <= 70] == []


def test_the_picture_is_whole() -> None:
    """It is XML, and shows every room of the package by its name."""
    shown = {
        text.text or ""
        for text in ET.fromstring(picture()).iter("{http://www.w3.org/2000/svg}text")
    }

    names = {name.rstrip("/") for name in shown}
    assert set(house()) <= names
    assert set(rooms(module_graph(), "serve")) <= names

"""Boxes and distances, also where longitudes begin anew."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from citypulse.places import box

LAT, LON = st.floats(-90, 90), st.floats(-180, 180)


@st.composite
def boxes(draw: st.DrawFn, widest: float = 60.0) -> box.Box:
    south = draw(st.floats(-85, 80))
    west = draw(LON)
    east = west + draw(st.floats(0, widest))
    return west, south, east - 360 if east > 180 else east, south + draw(st.floats(0, 5))


@given(boxes())
def test_a_box_contains_its_middle(bbox: box.Box) -> None:
    assume(box.width_degrees(bbox) > 1e-9 and bbox[3] - bbox[1] > 1e-9)
    lat, lon = box.bbox_centre(bbox)
    assert box.contains(bbox, lat, lon)
    assert box.off_centre(bbox, lat, lon) < 1e-3


@given(boxes(), LAT, LON)
def test_whatever_a_box_contains_is_found_by_its_cells(bbox: box.Box, lat: float, lon: float) -> None:
    south, north = bbox[1], bbox[3]
    inside = south + (north - south) * abs(lat) / 90, bbox[0] + box.width_degrees(bbox) * abs(lon) / 180
    point = inside[0], (inside[1] + 180) % 360 - 180
    if box.contains(bbox, *point):
        assert box.cell(*point) in set(box.cells(bbox))


@given(LAT, LON, st.floats(1, 100), st.floats(0, 2 * math.pi))
def test_all_points_within_a_distance_are_in_the_cells_around(
    lat: float, lon: float, km: float, bearing: float
) -> None:
    assume(abs(lat) < 80)
    other_lat = lat + math.sin(bearing) * km / box.KM_PER_DEGREE * 0.99
    other_lon = lon + math.cos(bearing) * km / box.KM_PER_DEGREE / math.cos(math.radians(lat)) * 0.99
    if box.distance_km(lat, lon, other_lat, other_lon) <= km:
        assert box.cell(other_lat, other_lon) in set(box.cells(box.around(lat, lon, km)))


@given(LAT, LON, LAT, LON)
def test_a_distance_is_the_same_both_ways_and_around_the_globe(
    lat: float, lon: float, other_lat: float, other_lon: float
) -> None:
    there = box.distance_km(lat, lon, other_lat, other_lon)
    assert 0 <= there <= math.pi * box.EARTH_RADIUS_KM
    assert there == pytest.approx(box.distance_km(other_lat, other_lon, lat, lon), abs=1e-6)
    assert there == pytest.approx(box.distance_km(lat, lon + 360, other_lat, other_lon), abs=1e-3)


def test_distances_are_those_of_the_globe() -> None:
    assert box.distance_km(51.5, 0, 51.5, 0) == 0
    assert box.distance_km(0, 0, 0, 90) == pytest.approx(math.pi / 2 * 6371.0088)
    assert box.distance_km(48.8566, 2.3522, 51.5074, -0.1278) == pytest.approx(343.6, abs=0.5)
    assert box.distance_km(0, 179.5, 0, -179.5) == pytest.approx(box.KM_PER_DEGREE)


FIJI = (177.0, -20.0, -178.0, -16.0)


@pytest.mark.parametrize("lon", [177.0, 179.9, 180.0, -180.0, -178.0])
def test_a_box_across_the_antimeridian_contains_both_sides(lon: float) -> None:
    assert box.contains(FIJI, -18, lon)
    assert not box.contains(FIJI, -15.9, lon)


@pytest.mark.parametrize("lon", [176.9, -177.9, 0.0])
def test_and_nothing_beyond(lon: float) -> None:
    assert not box.contains(FIJI, -18, lon)
    assert box.contains(FIJI, -18, lon, grown=0.1) == (lon != 0.0)


def test_the_area_of_a_box_is_that_on_the_sphere() -> None:
    sphere = 4 * math.pi * box.EARTH_RADIUS_KM**2
    assert box.area_km2((-180.0, -90.0, 180.0, 90.0)) == pytest.approx(sphere)
    assert box.area_km2((0.0, 0.0, 1.0, 1.0)) == pytest.approx(12_364, rel=1e-3)
    assert box.area_km2((0.0, 60.0, 1.0, 61.0)) == pytest.approx(6_090, rel=1e-2)
    assert box.area_km2((2.0, 48.0, 2.0, 48.0)) == 0


def test_off_centre_is_1_on_the_edge() -> None:
    assert box.off_centre((-74.0, 45.0, -72.0, 46.0), 45.5, -72.0) == 1
    assert box.off_centre((-74.0, 45.0, -72.0, 46.0), 46.0, -73.5) == 1
    assert box.off_centre(FIJI, -18, -178.0) == 1
    assert box.off_centre((2.0, 48.0, 2.0, 48.0), 48.0, 2.0) == 0
    assert box.off_centre((2.0, 48.0, 2.0, 48.0), 48.0, 2.1) == math.inf

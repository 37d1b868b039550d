"""Where a command finds the stack and the key: profiles, the environment, the ready line. Issue 14, point 7."""

import json
import stat
from pathlib import Path

import pytest

from pancake_meter_cli.profiles import Profile, ProfileFile, profile_in_use
from tests.support.cli_world import API_KEY, API_URL, PROFILE, FakeWorld, run

OTHER = Profile("prod", api_url="https://prod.example.com", api_key="pm_live_secret")
READY = {
    "api_url": API_URL,
    "webhook_url": f"{API_URL}/webhooks/waffo",
    "waffo_url": "http://127.0.0.1:8001",
    "api_key": API_KEY,
    "waffo_store_id": "STO_1",
    "stack_name": "pancake-meter",
    "logs": "logs",
}


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.answer("GET /v1/key", {"key_id": "k1", "mode": "test", "routes": []})
    return world


def test_issue_14_7_login_takes_the_ready_line_and_keeps_it_for_the_owner_alone(
    world: FakeWorld, tmp_path: Path
) -> None:
    # When
    ran = run(world, "login", "--ready", f"ready {json.dumps(READY)}", folder=tmp_path, profile=None)
    # Then
    assert ran.status == 0, ran.err
    assert API_KEY not in ran.out + ran.err
    file = tmp_path / "profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    _, kept = ProfileFile(file).read()
    assert (kept["default"].api_key, kept["default"].waffo_url) == (API_KEY, "http://127.0.0.1:8001")
    assert run(world, "keys", "own", folder=tmp_path, profile=None).status == 0


def test_issue_14_7_login_reads_the_key_from_stdin_or_the_environment_and_tries_it(
    world: FakeWorld, tmp_path: Path
) -> None:
    by_stdin = run(
        world, "login", "--api-url", API_URL, "--api-key-stdin", folder=tmp_path, profile=None, stdin=f"{API_KEY}\n"
    )
    by_environment = run(
        world,
        *("login", "--api-url", API_URL, "--profile", "second"),
        folder=tmp_path,
        profile=None,
        environ={"PANCAKE_METER_API_KEY": API_KEY},
    )
    without = run(world, "login", "--api-url", API_URL, "--profile", "third", folder=tmp_path, profile=None)
    assert (by_stdin.status, by_environment.status, without.status) == (0, 0, 2)
    assert world.operations() == ["GET /v1/key"] * 2
    assert list(ProfileFile(tmp_path / "profiles.json").read()[1]) == ["default", "second"]


def test_issue_14_7_a_key_that_the_stack_refuses_is_not_kept(tmp_path: Path) -> None:
    world = FakeWorld()
    world.refuse("GET /v1/key", 403, "forbidden")
    ran = run(world, "login", "--api-url", API_URL, "--api-key-stdin", folder=tmp_path, profile=None, stdin=API_KEY)
    assert ran.status == 1
    assert not (tmp_path / "profiles.json").exists()


def test_issue_14_7_an_address_from_elsewhere_never_gets_the_profiles_key(world: FakeWorld, tmp_path: Path) -> None:
    # Given an address of another stack in the environment, without a key
    ran = run(world, "plans", folder=tmp_path, environ={"PANCAKE_METER_API_URL": "https://other.example.com"})
    # Then
    assert ran.status == 2
    assert "no api_key" in ran.err
    moved = run(world, "login", "--api-url", "https://other.example.com", folder=tmp_path)
    assert (moved.status, "no key was given" in moved.err) == (2, True)


def test_issue_14_7_a_named_profile_goes_before_the_environment(tmp_path: Path) -> None:
    # Given
    file = ProfileFile(tmp_path / "profiles.json")
    file.write("default", {"default": PROFILE, "prod": OTHER})
    environ = {"PANCAKE_METER_API_URL": "https://env.example.com", "PANCAKE_METER_API_KEY": "pm_test_env"}
    # Then
    assert profile_in_use("prod", file, environ) == OTHER
    assert profile_in_use(None, file, {"PANCAKE_METER_PROFILE": "prod"}) == OTHER
    assert profile_in_use(None, file, {}) == PROFILE
    in_use = profile_in_use(None, file, environ)
    assert (in_use.api_url, in_use.api_key, in_use.webhook_url) == ("https://env.example.com", "pm_test_env", None)


def test_issue_14_7_profiles_are_listed_used_and_forgotten(world: FakeWorld, tmp_path: Path) -> None:
    # Given
    ProfileFile(tmp_path / "profiles.json").write("default", {"default": PROFILE, "prod": OTHER})
    # When
    assert run(world, "use", "prod", folder=tmp_path, profile=None).status == 0
    listed = run(world, "profiles", "--json", folder=tmp_path, profile=None)
    # Then
    assert [(each["profile"], each["in_use"]) for each in listed.json["profiles"]] == [
        ("default", False),
        ("prod", True),
    ]
    assert "pm_" not in listed.out
    assert run(world, "use", "none", folder=tmp_path, profile=None).status == 2
    assert run(world, "logout", folder=tmp_path, profile=None).status == 0
    assert list(ProfileFile(tmp_path / "profiles.json").read()[1]) == ["default"]


def test_issue_14_7_a_spoilt_file_and_a_spoilt_ready_line_are_usage_errors(world: FakeWorld, tmp_path: Path) -> None:
    assert run(world, "login", "--ready", "ready {", folder=tmp_path, profile=None).status == 2
    assert run(world, "login", "--ready", "ready {}", folder=tmp_path, profile=None).status == 2
    (tmp_path / "profiles.json").write_text("{")
    ran = run(world, "plans", folder=tmp_path, profile=None)
    assert (ran.status, "log in again" in ran.err) == (2, True)

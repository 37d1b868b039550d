from tests.support.webhook_world import World, lifecycle

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


def test_activated_sets_the_quota_and_renewed_starts_the_next_period(world: World) -> None:
    # Given: a customer of the free plan
    world.use(8_000)
    # When
    outcome = world.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"))
    # Then
    assert outcome.verdict == "applied"
    assert world.available() == 100_000
    # When
    world.use(30_000)
    late = world.now.replace(month=4)
    world.take(lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", number=2), late)
    # Then
    assert world.available(now=late) == 100_000

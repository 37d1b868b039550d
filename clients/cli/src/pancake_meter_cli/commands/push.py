"""``catalog diff`` and ``catalog push``: the catalog beside Waffo's products, and the products made after the catalog."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pancake_meter_cli import pushing
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.commands.catalog import File, app, catalog_path
from pancake_meter_cli.commands.operate import is_test
from pancake_meter_cli.commands.options import Yes
from pancake_meter_cli.failures import ExitStatus, usage
from pancake_meter_cli.products import Environment, differences, read_store


@command(app, "diff", "catalog diff", "catalog diff catalog.toml --json")
def diff(cli: Cli, file: File = None) -> None:
    """Show in what Waffo's products are not as the catalog says. Changes nothing; the exit status is 1 where they differ."""
    draft = pushing.read_draft(catalog_path(cli, file))
    environment: Environment = "test" if is_test(cli) else "prod"
    with cli.progress("reading Waffo's products"):
        found = list(differences(draft.catalog, read_store(cli.waffo), environment))
        groups = cli.waffo.listed("subscriptionProductGroups", pushing.GROUPS)
    found += pushing.group_differences(draft.catalog, groups, environment)
    rows: list[dict[str, Any]] = [
        {"product": each.product, "what": each.field or "missing", "catalog": each.catalog, "waffo": each.waffo}
        for each in found
    ]
    columns = [("product", "product"), ("what", "what"), ("in the catalog", "catalog"), ("at Waffo", "waffo")]
    cli.show_list({"environment": environment, "differences": rows}, "differences", columns, "no difference")
    if rows:
        raise typer.Exit(int(ExitStatus.REFUSED))


@command(app, "push", "catalog push", "catalog push --dry-run", "catalog push --publish --yes")
def push(
    cli: Cli,
    file: File = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish to production, too.")] = False,
    yes: Yes = False,
) -> None:
    """Make and change Waffo's products after the catalog, and write their ids into it.

    A run that was cut off is repeated without harm: an id is written as soon as its product is made, and a product
    of the same name is taken, not made twice. A change of a price is asked about first; running subscriptions keep theirs.
    """
    if not is_test(cli):
        raise usage(
            "products are made in Waffo's test environment and published from there",
            "use the test stack's profile: pancake-meter catalog push --publish",
            "production",
        )
    path = catalog_path(cli, file)
    draft = pushing.read_draft(path)
    with cli.progress("reading Waffo's products"):
        planned = list(pushing.steps(draft.catalog, read_store(cli.waffo), "test"))
    shown = [step.shown() for step in planned]
    columns = [("do", "do"), ("product", "product"), ("product id", "product_id"), ("why", "why")]
    if dry_run:
        groups = cli.waffo.listed("subscriptionProductGroups", pushing.GROUPS)
        shown += [
            {"do": "group", "product": each.product, "product_id": None, "why": str(each)}
            for each in pushing.group_differences(draft.catalog, groups, "test")
        ]
        cli.show_list({"file": str(path), "steps": shown}, "steps", columns, "nothing to do")
        return
    priced = [step for step in planned if step.changes_price]
    if priced:
        cli.say("\n".join(f"{step.product.name}: {'; '.join(step.why)}" for step in priced))
        cli.confirm(f"Change the price of {len(priced)} products for new subscriptions?", yes=yes)
    for step, row in zip(planned, shown, strict=True):
        with cli.progress(f"{step.verb} {step.product.name}"):
            row["product_id"] = pushing.apply(draft, cli.waffo, "test", step)
    answer = {"file": str(path), "steps": shown, **_grouped(cli, path, publish=publish)}
    cli.show_list(answer, "steps", columns, "nothing to do")
    if publish:
        cli.say(f"published: {', '.join(answer['published']) or 'nothing new'}")


def _grouped(cli: Cli, path: Path, *, publish: bool) -> dict[str, Any]:
    """Bring the group of plans in order, now that every product has its id, and publish."""
    draft = pushing.read_draft(path)
    groups = cli.waffo.listed("subscriptionProductGroups", pushing.GROUPS)
    with cli.progress("grouping the plans"):
        group_id = pushing.push_group(draft.catalog, cli.waffo, "test", groups)
    published = pushing.publish(draft, cli.waffo, read_store(cli.waffo), group_id) if publish else []
    return {"group_id": group_id, "published": published}


__all__ = ["app"]

"""Which pictures an environment's report has, and under which names."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.operations.evidence.keeping import SHADOW
from emonk_ops.operations.evidence.saving import ACCEPTANCE
from emonk_ops.reporting.document import Plot
from emonk_ops.reporting.model import Story
from emonk_ops.reporting.plots.faults import faults_figure
from emonk_ops.reporting.plots.figure import Figure
from emonk_ops.reporting.plots.lateness import lateness_figure
from emonk_ops.reporting.plots.rollbacks import rollbacks_figure
from emonk_ops.reporting.plots.shadow import pairs_figure, slots_figure
from emonk_ops.reporting.plots.soaks import soak_figure
from emonk_ops.reporting.plots.ticks import looks_figure, ticks_figure
from emonk_ops.reporting.told.kept import Kept


def soak_plots(story: Story) -> tuple[list[Plot], list[Plot]]:
    """How coverage grew: of each stage's newest soak, and of those before."""
    plots = [
        (soak, _plot(story, soak_figure(f"soak-{number}-{soak.id}", soak)))
        for number, soak in enumerate(story.soaks, 1)
    ]
    last = {soak.stage: plot for soak, plot in plots}
    newest = [plot for _, plot in plots if plot in last.values()]
    return newest, [plot for _, plot in plots if plot not in newest]


def evidence_plots(story: Story) -> list[Plot]:
    """What the newest evidence of each kind shows; where none is here, what the looks do."""
    shown = newest_of_each(story)
    plots = [_plot(story, figure) for kept in shown for figure in _of_evidence(kept)]
    seen = {one.stage for one in shown if not one.why}
    for number, soak in enumerate(story.soaks, 1):
        looked = looks_figure(f"ticks-soak-{number}-{soak.id}", soak)
        if soak.stage not in seen and looked is not None:
            plots.append(_plot(story, looked))
    return plots


def newest_of_each(story: Story) -> list[Kept]:
    """By stage, kind and purpose: one that is judged again keeps the same evidence once more."""
    found = {(one.stage, one.kind, one.purpose): one for one in story.kept}
    return sorted(found.values(), key=lambda one: (one.since, one.purpose))


def _of_evidence(kept: Kept) -> Iterator[Figure]:
    after = f"stage-{kept.stage}-{kept.kind}"
    after += "" if kept.purpose == ACCEPTANCE else f"-{kept.purpose}"
    yield ticks_figure(f"ticks-{after}", kept)
    yield lateness_figure(f"lateness-{after}", kept)
    if kept.kind == SHADOW:
        yield slots_figure(f"shadow-slots-{after}", kept)
        yield pairs_figure(f"shadow-pairs-{after}", kept)


def fault_plots(story: Story) -> list[Plot]:
    """One picture of all faults whose phases the journal knows."""
    begun = [one for one in story.faults if "intent" in one[0].phases]
    return [_plot(story, faults_figure("leases-under-fault", begun))] if begun else []


def rollback_plots(story: Story) -> list[Plot]:
    stepped = [one for one in story.rollbacks if one.steps]
    return [_plot(story, rollbacks_figure("rollback-times", stepped))] if stepped else []


def _plot(story: Story, figure: Figure) -> Plot:
    return Plot(f"{story.env}-{figure.id}", figure)

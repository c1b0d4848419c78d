"""The panels, one file each; a panel draws what its screen gives it."""

# of the Run screen, beside its phases, in the order in which [ and ] go through them; as many are
# shown at once as there is room for
RUN_PANELS = (
    "sirt_tui.panels.curves:CurvesPanel",
    "sirt_tui.panels.samples:SamplesPanel",
    "sirt_tui.panels.log:LogPanel",
    "sirt_tui.panels.scores:ScoresPanel",
    "sirt_tui.panels.memory:MemoryPanel",
    "sirt_tui.panels.answers:AnswersPanel",
)

"""Charts drawn with text characters.

``series``  points of curves, and their heights in each dot column
``curve``   a series smoothed and thinned, as it grows
``axes``    round ticks and their labels
``cells``   lines drawn over the rows of a plot
``canvas``  dots to characters: braille, quadrants or ASCII
``chart``   the widget: axes, legend, cursor, zoom, log scale
"""

from sirt_tui.widgets.chart.chart import Chart
from sirt_tui.widgets.chart.series import GrowingSeries, Series, Threshold

__all__ = ["Chart", "GrowingSeries", "Series", "Threshold"]

// Draws the [data-day-chart] anew with uPlot, from the numbers in the drawing that the server sent.

const { uPlot } = window;

const LETTERS_PX = 12;
const DIGIT_PX = 7.5;
const COLUMN = { share: 0.7, widest_px: 48 };
const DAY_NAME_PX = 64;
const DAY_STEPS = [1, 2, 3, 7, 14, 28];
const CALL_STEPS = Array.from({ length: 9 }, (_, zeros) => 10 ** zeros).flatMap((ten) => [
  ten,
  2 * ten,
  5 * ten,
]);

const number = new Intl.NumberFormat(document.documentElement.lang);

let shown = null;

show();
document.addEventListener("htmx:after:swap", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  shown?.plot.redraw(false),
);

function show() {
  const figure = document.querySelector("[data-day-chart]");
  if (shown?.figure === figure) return;
  shown?.sizes.disconnect();
  shown?.plot.destroy();
  shown = figure && { figure, ...draw(figure) };
}

function draw(figure) {
  const box = figure.querySelector("[data-day-chart-plot]");
  const days = [...box.querySelectorAll("[data-day]")].map(({ dataset }) => ({
    day: dataset.day,
    name: dataset.name,
    answered: Number(dataset.answered),
    errors: Number(dataset.errors),
  }));
  const say = legendOf(figure, days);
  box.replaceChildren();
  const plot = new uPlot(options(box, days, say), columns(days), box);
  makeSlider(box, plot, say, days.length - 1);
  const sizes = new ResizeObserver(() => plot.setSize(sizeOf(box)));
  sizes.observe(box);
  return { plot, sizes };
}

// Errors stand on the answered calls. A day without any has no column, not one of height 0.
function columns(days) {
  return [
    days.map((_, index) => index),
    days.map((day) => day.answered || null),
    days.map((day) => day.answered + day.errors || null),
  ];
}

function options(box, days, say) {
  const colour = (name) => () => getComputedStyle(box).getPropertyValue(name);
  const paths = uPlot.paths.bars({ size: [COLUMN.share, COLUMN.widest_px] });
  const column = (name) => ({
    fill: colour(name),
    stroke: colour(name), // so that a single call can be seen among a million
    width: 1,
    paths,
    points: { show: false },
  });
  const axis = {
    stroke: colour("--chart-words"),
    font: `${LETTERS_PX}px ${getComputedStyle(box).fontFamily}`,
  };
  const last = days.length - 1;
  const dayName = (index) => (index === last ? box.dataset.today : days[index].name);
  return {
    ...sizeOf(box),
    padding: [LETTERS_PX, LETTERS_PX * 2, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: [-0.5, last + 0.5] },
      y: { range: (_, __, most) => [0, most * 1.05] },
    },
    axes: [
      {
        ...axis,
        size: LETTERS_PX * 2.5,
        incrs: DAY_STEPS,
        space: DAY_NAME_PX,
        splits: (_, __, ___, ____, step) => stepsBackFrom(last, step),
        values: (_, splits) => splits.map(dayName),
        grid: { show: false },
        ticks: { stroke: colour("--chart-line"), width: 1, size: 5 },
      },
      {
        ...axis,
        incrs: CALL_STEPS,
        values: (_, splits) => splits.map((calls) => number.format(calls)),
        size: (_, names) =>
          LETTERS_PX * 1.5 + DIGIT_PX * Math.max(1, ...(names ?? []).map((name) => name.length)),
        grid: { stroke: colour("--chart-line"), width: 1 },
        ticks: { show: false },
      },
    ],
    series: [{}, column("--chart-answered"), column("--chart-errors")],
    bands: [{ series: [2, 1] }],
    hooks: { setCursor: [(plot) => say(plot.cursor.idx)] },
  };
}

function stepsBackFrom(last, step) {
  const count = Math.floor(last / step) + 1;
  return Array.from({ length: count }, (_, back) => last - back * step).reverse();
}

function sizeOf(box) {
  return { width: box.clientWidth, height: box.clientHeight };
}

// Returns what writes the numbers of a day beside their colours, and without one those of all days.
function legendOf(figure, days) {
  const box = figure.querySelector("[data-day-chart-plot]");
  const places = ["answered", "errors", "day"].map((name) =>
    figure.querySelector(`[data-day-chart-${name}]`),
  );
  const ofAll = places.map((place) => place.textContent);
  return (index) => {
    const words = index == null ? ofAll : wordsOf(index);
    for (const [at, place] of places.entries()) place.textContent = words[at];
    if (index == null) return;
    box.setAttribute("aria-valuenow", index);
    box.setAttribute("aria-valuetext", inWords(words));
  };

  function wordsOf(index) {
    const { day, answered, errors } = days[index];
    const isToday = index === days.length - 1;
    const when = isToday ? places[2].dataset.soFar.replace("{day}", day) : day;
    return [number.format(answered), number.format(errors), when];
  }

  function inWords([answered, errors, day]) {
    const words = { answered, errors, day };
    return box.dataset.inWords.replace(/\{(\w+)\}/g, (_, name) => words[name]);
  }
}

// Makes the chart a slider over its days: focused, it takes arrow keys, Home and End.
function makeSlider(box, plot, say, last) {
  const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
  const go = (index) => plot.setCursor({ left: plot.valToPos(index, "x"), top: 0 });
  const clear = () => plot.setCursor({ left: -10, top: -10 });
  box.role = "slider";
  box.tabIndex = 0;
  box.setAttribute("aria-labelledby", "day-chart-title");
  box.setAttribute("aria-describedby", "day-chart-note");
  box.setAttribute("aria-valuemin", 0);
  box.setAttribute("aria-valuemax", last);
  say(last); // gives the slider its first value
  say(null);
  box.addEventListener("focus", () => {
    if (plot.cursor.idx == null) go(last);
  });
  box.addEventListener("blur", clear);
  box.addEventListener("keydown", (event) => {
    const now = plot.cursor.idx ?? last;
    const next = { ...moves, Home: -now, End: last - now }[event.key];
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    go(Math.min(Math.max(now + next, 0), last));
  });
}

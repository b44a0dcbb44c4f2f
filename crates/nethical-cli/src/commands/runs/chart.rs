//! A chart of a metric in a terminal.
//!
//! One run is drawn in dots of braille, two to a column and four to a line. Several are drawn in letters, one for each, so
//! that they can be told apart without colour.

/// Columns and lines of the drawing itself.
const WIDTH: usize = 60;
const HEIGHT: usize = 12;

/// The name of a run, and its steps with their values.
pub(super) type Series = (String, Vec<(i64, f64)>);

/// A chart with its axes, as lines of text. Values that are no finite numbers are left out, and counted.
pub(super) fn draw(metric: &str, series: &[Series]) -> String {
    let shown: Vec<Vec<(f64, f64)>> = series.iter().map(|(_, points)| finite(points)).collect();
    let Some(frame) = Frame::around(&shown) else { return format!("{metric}: nothing to draw") };
    let lines = match &*shown {
        [one] => braille(one, &frame),
        several => letters(several, &frame),
    };
    let mut out = vec![metric.to_owned()];
    let labels = frame.labels();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    out.extend(lines.iter().enumerate().map(|(at, line)| {
        let label = match at {
            0 => &labels[0],
            at if at == HEIGHT / 2 => &labels[1],
            at if at == HEIGHT - 1 => &labels[2],
            _ => "",
        };
        format!("{label:>width$} │{}", line.trim_end())
    }));
    out.push(format!("{:width$} └{}", "", "─".repeat(WIDTH)));
    let (first, last) = (frame.x.0.to_string(), frame.x.1.to_string());
    let gap = WIDTH.saturating_sub(first.len() + last.len());
    out.push(format!("{:width$}  {first}{:gap$}{last}  step", "", ""));
    if series.len() > 1 {
        out.extend(
            series.iter().zip(LETTERS).map(|((name, _), letter)| format!("{:width$}  {letter} {name}", "")),
        );
    }
    let left_out: usize = series.iter().zip(&shown).map(|((_, all), shown)| all.len() - shown.len()).sum();
    if left_out > 0 {
        out.push(format!("{:width$}  {left_out} not drawn: NaN or infinite", ""));
    }
    out.join("\n")
}

const LETTERS: [char; 26] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
    'v', 'w', 'x', 'y', 'z',
];

fn finite(points: &[(i64, f64)]) -> Vec<(f64, f64)> {
    // The largest numbers stand for infinities.
    let drawn = points.iter().filter(|(_, value)| value.is_finite() && value.abs() < f64::MAX);
    drawn.map(|(step, value)| (*step as f64, *value)).collect()
}

/// The range that is drawn.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn around(series: &[Vec<(f64, f64)>]) -> Option<Self> {
        let mut points = series.iter().flatten();
        let first = points.next()?;
        let start = Self { x: (first.0, first.0), y: (first.1, first.1) };
        Some(points.fold(start, |frame, (x, y)| Self {
            x: (frame.x.0.min(*x), frame.x.1.max(*x)),
            y: (frame.y.0.min(*y), frame.y.1.max(*y)),
        }))
    }

    fn labels(&self) -> [String; 3] {
        [self.y.1, f64::midpoint(self.y.0, self.y.1), self.y.0].map(super::list::number)
    }

    /// Where a point is in a grid of so many places, from its upper left.
    fn place(&self, point: (f64, f64), columns: usize, rows: usize) -> (i64, i64) {
        let at = |value: f64, (low, high): (f64, f64), places: usize| {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            (share * (places - 1) as f64).round() as i64
        };
        (at(point.0, self.x, columns), rows as i64 - 1 - at(point.1, self.y, rows))
    }
}

/// Call `mark` for each place between the points, joined by lines.
fn trace(
    points: &[(f64, f64)],
    frame: &Frame,
    columns: usize,
    rows: usize,
    mut mark: impl FnMut(usize, usize),
) {
    let mut mark_at = |(x, y): (i64, i64)| {
        if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) {
            mark(x, y);
        }
    };
    let places: Vec<_> = points.iter().map(|point| frame.place(*point, columns, rows)).collect();
    places.first().into_iter().for_each(|place| mark_at(*place));
    for (from, to) in places.iter().zip(places.iter().skip(1)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let count = dx.abs().max(dy.abs());
        for step in 1..=count {
            let along = |from: i64, distance: i64| {
                from + (distance as f64 * step as f64 / count as f64).round() as i64
            };
            mark_at((along(from.0, dx), along(from.1, dy)));
        }
    }
}

fn braille(points: &[(f64, f64)], frame: &Frame) -> Vec<String> {
    /// The bit of each dot of a letter, by line and column.
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let mut cells = vec![[0_u32; WIDTH]; HEIGHT];
    trace(points, frame, WIDTH * 2, HEIGHT * 4, |x, y| {
        let bit = BITS.get(y % 4).and_then(|bits| bits.get(x % 2)).copied().unwrap_or_default();
        if let Some(cell) = cells.get_mut(y / 4).and_then(|line| line.get_mut(x / 2)) {
            *cell |= bit;
        }
    });
    let letter = |cell: &u32| if *cell == 0 { ' ' } else { char::from_u32(0x2800 + cell).unwrap_or(' ') };
    cells.iter().map(|line| line.iter().map(letter).collect()).collect()
}

fn letters(series: &[Vec<(f64, f64)>], frame: &Frame) -> Vec<String> {
    let mut cells = vec![[' '; WIDTH]; HEIGHT];
    for (points, letter) in series.iter().zip(LETTERS) {
        trace(points, frame, WIDTH, HEIGHT, |x, y| {
            if let Some(cell) = cells.get_mut(y).and_then(|line| line.get_mut(x)) {
                // Where several meet, a star.
                *cell = if *cell == ' ' || *cell == letter { letter } else { '*' };
            }
        });
    }
    cells.iter().map(|line| line.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_line_falls() {
        let points: Vec<_> = (0..=100).map(|step| (step, 100.0 - step as f64)).collect();
        let chart = draw("loss", &[("run".to_owned(), points)]);
        let lines: Vec<_> = chart.lines().collect();
        assert_eq!((lines[0], lines.len()), ("loss", HEIGHT + 3));
        let start =
            |line: &str| line.chars().skip_while(|char| *char != '│').skip(1).position(|char| char != ' ');
        let starts: Vec<_> = lines[1..=HEIGHT].iter().map(|line| start(line).unwrap()).collect();
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "{chart}");
        assert!(lines[1].starts_with("100 │") && lines[HEIGHT].trim_start().starts_with("0 │"), "{chart}");
        assert!(lines[HEIGHT + 2].contains("0") && lines[HEIGHT + 2].ends_with("100  step"), "{chart}");
    }

    #[test]
    fn several_runs_are_told_apart_without_colour() {
        let line = |slope: f64| (0..50).map(|step| (step, slope * step as f64)).collect::<Vec<_>>();
        let chart = draw("acc", &[("one".to_owned(), line(1.0)), ("two".to_owned(), line(-1.0))]);
        assert!(chart.contains("aaa") && chart.contains("bbb") && chart.contains('*'), "{chart}");
        assert!(chart.contains("a one") && chart.contains("b two"), "{chart}");
    }

    #[test]
    fn odd_values_are_left_out_and_said() {
        let points = vec![(0, f64::NAN), (1, f64::MAX), (2, 1.0)];
        assert!(draw("x", &[("r".to_owned(), points)]).contains("2 not drawn"));
        assert_eq!(draw("x", &[("r".to_owned(), vec![(0, f64::NAN)])]), "x: nothing to draw");
    }
}

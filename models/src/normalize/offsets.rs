//! From a place in a derived text back to the place in the original that it came from.
//!
//! A step that rewrites a text leaves one *layer*: sorted runs, each a stretch of the derived text and the stretch it
//! was made from. A run is a row of equal cells (`o` derived bytes from `s` source bytes), so unchanged text is one run
//! of (1, 1) cells, fullwidth letters one run of (1, 3), base64 one run of (3, 4). Layers are shared between the maps
//! that have them in common, and a map is a short list of layers: looking up costs O(layers x log runs).

use std::ops::Range;
use std::sync::Arc;

/// More runs than this in one layer (16 bytes each) are merged with their neighbours: the map gets coarser, never wrong.
const MAX_RUNS: usize = 1 << 20;

/// Maps byte ranges of a derived text to byte ranges of the original.
///
/// A range at character boundaries of the derived text gives a range at character boundaries of the original that
/// covers everything the derived bytes came from, also what was dropped between them. A piece that was rewritten as
/// a whole (a ligature, a group of four base64 characters) is covered as a whole.
#[derive(Debug, Clone, Default)]
pub struct OffsetMap {
    /// From the original (first) to the derived text (last).
    layers: Vec<Arc<Layer>>,
}

impl OffsetMap {
    /// Whether the derived text is the original, byte for byte.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.layers.is_empty()
    }

    /// The original bytes that `derived` came from. Ends beyond the text are taken as its end; an empty range gives an
    /// empty range. With no layers the answer is `derived` itself.
    #[must_use]
    pub fn original(&self, derived: Range<usize>) -> Range<usize> {
        self.layers
            .iter()
            .rev()
            .fold(derived, |range, layer| layer.source(range))
    }

    /// This map with one more step after its last.
    pub(super) fn then(&self, layer: Layer) -> Self {
        let mut layers = self.layers.clone();
        layers.push(Arc::new(layer));
        Self { layers }
    }

    /// This map followed by `next`, whose original is this map's derived text.
    pub(super) fn followed_by(&self, next: &Self) -> Self {
        Self {
            layers: self.layers.iter().chain(&next.layers).cloned().collect(),
        }
    }
}

/// One rewriting step.
#[derive(Debug)]
pub(super) enum Layer {
    /// Source and derived text run in the same direction.
    Runs(Runs),
    /// The derived text is this stretch of the source, its characters in reverse order.
    Reverse(Range<usize>),
}

impl Layer {
    fn source(&self, derived: Range<usize>) -> Range<usize> {
        match self {
            Self::Runs(runs) => runs.source(derived),
            Self::Reverse(of) => {
                let end = derived.end.min(of.len());
                let start = derived.start.min(end);
                of.end - end..of.end - start
            }
        }
    }
}

/// A stretch of derived text and its source; the derived end is where the next run begins.
#[derive(Debug, Clone, Copy)]
struct Run {
    derived: u32,
    source: u32,
    /// Source bytes.
    len: u32,
    /// Derived and source bytes of one cell; `(0, 0)` means that the run is a single cell.
    cell: (u8, u8),
}

/// The sorted runs of a layer.
#[derive(Debug, Default, Clone)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// Derived bytes so far.
    len: u32,
    /// When set, a run is extended until it holds this many source bytes: the layer had too many runs.
    grain: u32,
}

impl Runs {
    /// Derived bytes so far.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// `source` was taken over unchanged.
    pub(super) fn copy(&mut self, source: Range<usize>) {
        self.cells(source, 1, 1);
    }

    /// `source` as a whole became `derived` bytes.
    pub(super) fn whole(&mut self, source: Range<usize>, derived: usize) {
        match (u8::try_from(derived), u8::try_from(source.len())) {
            (Ok(o), Ok(s)) => self.cells(source, o, s),
            _ => self.push(source, offset(derived), (0, 0)),
        }
    }

    /// Each `s` bytes of `source`, whose length is a multiple of `s`, became `o` bytes.
    pub(super) fn cells(&mut self, source: Range<usize>, o: u8, s: u8) {
        if o == 0 || source.is_empty() {
            return;
        }
        let derived = offset(source.len()) / u32::from(s) * u32::from(o);
        self.push(source, derived, (o, s));
    }

    /// Appends what another builder made of a later stretch of the same source.
    pub(super) fn append(&mut self, other: &Self) {
        for (i, run) in other.runs.iter().enumerate() {
            let end = other.runs.get(i + 1).map_or(other.len, |next| next.derived);
            let source = run.source as usize..(run.source + run.len) as usize;
            self.push(source, end - run.derived, run.cell);
        }
    }

    fn push(&mut self, source: Range<usize>, derived: u32, cell: (u8, u8)) {
        if derived == 0 {
            return;
        }
        let (at, len) = (offset(source.start), offset(source.len()));
        if let Some(last) = self.runs.last_mut() {
            let contiguous = last.source + last.len == at;
            if contiguous && last.cell == cell && cell != (0, 0) {
                last.len += len;
                self.len += derived;
                return;
            }
            if last.len < self.grain {
                last.len = at + len - last.source;
                last.cell = (0, 0);
                self.len += derived;
                return;
            }
        }
        if self.runs.len() == MAX_RUNS {
            self.coarsen();
        }
        self.runs.push(Run {
            derived: self.len,
            source: at,
            len,
            cell,
        });
        self.len += derived;
    }

    /// Halves the number of runs; done again each time the limit is met, so building stays linear.
    fn coarsen(&mut self) {
        let mut kept = 0;
        for i in (0..self.runs.len()).step_by(2) {
            let mut run = self.runs[i];
            if let Some(next) = self.runs.get(i + 1) {
                run.len = next.source + next.len - run.source;
                run.cell = (0, 0);
            }
            self.runs[kept] = run;
            kept += 1;
        }
        self.runs.truncate(kept);
        self.grain = (self.grain * 2).max(16);
    }

    fn source(&self, derived: Range<usize>) -> Range<usize> {
        let end = derived.end.min(self.len());
        let start = derived.start.min(end);
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else {
            return 0..0;
        };
        let from = match start {
            0 => first.source as usize,
            _ if start == self.len() => (last.source + last.len) as usize,
            _ => self.at(start).0,
        };
        let to = if end > start {
            self.at(end - 1).1
        } else {
            from
        };
        from..to
    }

    /// Source start and end of the cell that holds derived byte `i`, which must exist.
    fn at(&self, i: usize) -> (usize, usize) {
        let run = self.runs[self.runs.partition_point(|r| r.derived as usize <= i) - 1];
        let (source, len) = (run.source as usize, run.len as usize);
        let (o, s) = (usize::from(run.cell.0), usize::from(run.cell.1));
        if o == 0 {
            return (source, source + len);
        }
        let cell = source + (i - run.derived as usize) / o * s;
        (cell, cell + s)
    }
}

/// Texts of 4 GiB and more are not rewritten (see [`super::normalize`]), so this never saturates.
fn offset(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_equal_cells_are_one_run_and_answer_by_cell() {
        let mut runs = Runs::default();
        runs.copy(0..4);
        runs.copy(4..10);
        for i in 0..5 {
            runs.whole(10 + 3 * i..13 + 3 * i, 1);
        }
        runs.copy(30..34); // 25..30 was dropped
        assert_eq!(runs.runs.len(), 3);
        assert_eq!(runs.len(), 19);
        assert_eq!(runs.source(2..5), 2..5);
        assert_eq!(runs.source(11..12), 13..16);
        assert_eq!(runs.source(9..11), 9..13);
        assert_eq!(runs.source(14..16), 22..31);
        assert_eq!(runs.source(0..99), 0..34);
        assert_eq!(runs.source(19..19), 34..34);
        assert_eq!(runs.source(3..3), 3..3);
    }

    #[test]
    fn a_reversed_layer_answers_from_its_end() {
        let layer = Layer::Reverse(10..20);
        assert_eq!(layer.source(0..3), 17..20);
        assert_eq!(layer.source(9..10), 10..11);
        assert_eq!(layer.source(0..99), 10..20);
    }

    #[test]
    fn too_many_runs_get_coarser_and_still_cover() {
        let mut runs = Runs::default();
        let n = 3 * MAX_RUNS;
        for i in 0..n {
            // Cells of two shapes in turn, so that no two merge: four source bytes give three.
            runs.copy(4 * i..4 * i + 1);
            runs.whole(4 * i + 1..4 * i + 4, 2);
        }
        assert!(runs.runs.len() <= MAX_RUNS);
        for i in [0, 1, 777, n / 2, n - 1] {
            let got = runs.source(3 * i..3 * i + 3);
            assert!(got.start <= 4 * i && got.end >= 4 * i + 4, "{i}: {got:?}");
            assert!(got.len() < 256, "{i}: {got:?}");
        }
        assert_eq!(runs.source(0..runs.len()), 0..4 * n);
    }

    #[test]
    fn layers_compose() {
        let mut first = Runs::default();
        first.whole(0..3, 1);
        first.copy(3..8);
        let mut second = Runs::default();
        second.copy(0..2);
        second.copy(4..6);
        let one = OffsetMap::default().then(Layer::Runs(first));
        let both = one.then(Layer::Runs(second));
        assert_eq!(both.original(0..1), 0..3);
        assert_eq!(both.original(1..3), 3..7);
        let again = one.followed_by(&OffsetMap::default());
        assert_eq!(again.original(0..2), 0..4);
        assert!(OffsetMap::default().is_identity() && !both.is_identity());
    }
}

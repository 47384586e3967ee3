//! What a conversion could not carry over.

use std::cell::RefCell;

use crate::config::Node;

/// How much of the source's meaning a [`Remark`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// There is no counterpart: it was left out.
    Dropped,
    /// It was carried over, but means something else here.
    Changed,
    /// Nothing is lost; worth knowing all the same.
    Note,
}

impl Loss {
    /// All, the worst first.
    pub(crate) const ALL: [Self; 3] = [Self::Dropped, Self::Changed, Self::Note];

    /// What introduces such remarks.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Dropped => "No counterpart, left out",
            Self::Changed => "Imported, with another meaning",
            Self::Note => "Worth knowing",
        }
    }
}

/// One thing to know about a conversion, and where in the source it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    /// The line in the source, from one.
    pub(crate) line: usize,
    /// The path in the source.
    pub(crate) path: String,
    /// What became of it.
    pub(crate) loss: Loss,
    /// Why. Holds names and numbers of the source, never prompts or credentials.
    pub(crate) why: String,
}

/// All remarks of one conversion.
#[derive(Default)]
pub(crate) struct Report(RefCell<Vec<Remark>>);

impl Report {
    /// Nothing here does what `node` does.
    pub(crate) fn dropped(&self, node: Node<'_>, why: impl Into<String>) {
        self.add(node, Loss::Dropped, why.into());
    }

    /// What stands for `node` does something else.
    pub(crate) fn changed(&self, node: Node<'_>, why: impl Into<String>) {
        self.add(node, Loss::Changed, why.into());
    }

    /// Something to know about `node`.
    pub(crate) fn note(&self, node: Node<'_>, why: impl Into<String>) {
        self.add(node, Loss::Note, why.into());
    }

    fn add(&self, node: Node<'_>, loss: Loss, why: String) {
        let remark = Remark {
            line: node.line(),
            path: node.path(),
            loss,
            why,
        };
        let mut remarks = self.0.borrow_mut();
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    }

    /// The remarks of one sort, in the order of the file.
    pub(crate) fn of(&self, loss: Loss) -> Vec<Remark> {
        let mut found: Vec<Remark> = (self.0.borrow().iter())
            .filter(|remark| remark.loss == loss)
            .cloned()
            .collect();
        found.sort_by_key(|remark| remark.line);
        found
    }

    /// Did anything lose its meaning?
    pub(crate) fn is_lossy(&self) -> bool {
        (self.0.borrow().iter()).any(|remark| remark.loss != Loss::Note)
    }
}

//! Text in; labels, spans and vectors out.

//! A core without UDP has no traversal: nothing makes one of these.

/// How a connection's traversal stands.
#[derive(Debug)]
pub(crate) enum Traversal {}

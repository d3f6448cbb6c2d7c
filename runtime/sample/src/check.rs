//! What a sample must be, so that no consumer chokes on it.

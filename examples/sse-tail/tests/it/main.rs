//! The program as its users see it: a process, its input and its output.

mod pipe;
mod program;
mod stream;

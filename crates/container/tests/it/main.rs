//! Real containers on the machine that runs the tests. They need root and `busybox-static`, and
//! check after themselves that nothing is left.

mod adopt;
mod isolation;
mod lab;
mod lifecycle;
mod limits;
mod network;
mod steps;

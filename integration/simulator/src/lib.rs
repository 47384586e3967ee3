//! A simulated Dynamo frontend.

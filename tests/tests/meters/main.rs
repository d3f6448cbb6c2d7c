//! The meters of Ceilometer's compute agent, from the guests as they are built.

mod documents;
mod instances;
mod moving;
mod recorded;
mod remembered;

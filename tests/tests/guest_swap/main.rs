//! Guests are swapped while the agent polls: by their files, by a guest folder and by the admin socket; and what goes wrong with a new module
//! is its own loss.

mod agent;
mod compiled;
mod falls;
mod files;
mod orders;
mod trusted;

use agent::{Agent, INSTANCES, Version};

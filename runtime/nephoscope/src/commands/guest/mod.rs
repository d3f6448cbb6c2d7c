//! `nephoscope guest`: an author's commands. They need no libvirt, no broker and no root.

mod bindings;
mod componentize;
mod new;
mod test;
mod test_report;

use crate::cli::GuestCommand;

pub fn run(command: &GuestCommand) -> anyhow::Result<()> {
    match command {
        GuestCommand::Bindings(arguments) => bindings::bindings(arguments),
        GuestCommand::Componentize(arguments) => componentize::componentize(arguments),
        GuestCommand::New(arguments) => new::new(arguments),
        GuestCommand::Test(arguments) => test::test(arguments),
    }
}

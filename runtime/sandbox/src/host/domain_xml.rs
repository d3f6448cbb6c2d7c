//! `domain-xml`: the XML as libvirt gave it, without security information.

use inspector::Missing;

use crate::contract::nephoscope::meter::domain_xml::Host;
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn get(&mut self) -> wasmtime::Result<Result<String, Error>> {
        let xml = &self.instance()?.identity.xml;
        // A recording can be made without it.
        Ok(if xml.is_empty() { Err(missing(&Missing::NoData)) } else { Ok(xml.clone()) })
    }
}

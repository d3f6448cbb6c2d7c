//! `raw-stats`: libvirt's own fields by libvirt's own names.

use crate::contract::nephoscope::meter::raw_stats::{Field, Host};
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<Option<Field>, Error>> {
        let reading = self.instance()?.raw.as_ref();
        Ok(reading
            .map_err(missing)
            .map(|fields| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| field(value))))
    }

    fn list_all(&mut self) -> wasmtime::Result<Result<Vec<(String, Field)>, Error>> {
        let reading = self.instance()?.raw.as_ref();
        Ok(reading
            .map_err(missing)
            .map(|fields| fields.iter().map(|(key, value)| (key.clone(), field(value))).collect()))
    }
}

fn field(value: &inspector::snapshot::Field) -> Field {
    use inspector::snapshot::Field as Raw;
    match value {
        Raw::Unsigned(number) => Field::Unsigned(*number),
        Raw::Signed(number) => Field::Signed(*number),
        Raw::Real(number) => Field::Real(*number),
        Raw::Flag(flag) => Field::Flag(*flag),
        Raw::Text(text) => Field::Text(text.clone()),
    }
}

//! libvirt's typed parameters as [`Field`]s.

use std::ffi::{CStr, c_char};

use crate::snapshot::Field;

/// Copies typed parameters: names and values, in libvirt's order. A parameter of a type that this version of libvirt's
/// interface does not know is left out, and so is a number that is not finite.
///
/// # Safety
/// `params` points to `count` parameters as libvirt filled them in, or `count` is 0; their texts are valid.
pub(super) unsafe fn copy(params: *const virt_sys::virTypedParameter, count: usize) -> Vec<(String, Field)> {
    if params.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller vouches for pointer and count.
    let params = unsafe { std::slice::from_raw_parts(params, count) };
    // SAFETY: the caller vouches for the texts.
    params.iter().filter_map(|param| Some((name(&param.field)?, unsafe { value(param) }?))).collect()
}

/// The name in its array of fixed size: up to the NUL, within the array whatever stands in it.
fn name(field: &[c_char]) -> Option<String> {
    let bytes: Vec<u8> = field.iter().map(|byte| byte.cast_unsigned()).collect();
    let name = CStr::from_bytes_until_nul(&bytes).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// # Safety
/// The parameter is as libvirt filled it in: the member of the union that its type names is set, and a text is valid.
unsafe fn value(param: &virt_sys::virTypedParameter) -> Option<Field> {
    let held = &param.value;
    // SAFETY: the type says which member is set; the caller vouches for that and for the text.
    let field = unsafe {
        match param.type_.cast_unsigned() {
            virt_sys::VIR_TYPED_PARAM_INT => Field::Signed(held.i.into()),
            virt_sys::VIR_TYPED_PARAM_UINT => Field::Unsigned(held.ui.into()),
            virt_sys::VIR_TYPED_PARAM_LLONG => Field::Signed(held.l),
            virt_sys::VIR_TYPED_PARAM_ULLONG => Field::Unsigned(held.ul),
            virt_sys::VIR_TYPED_PARAM_DOUBLE => Field::Real(held.d),
            virt_sys::VIR_TYPED_PARAM_BOOLEAN => Field::Flag(held.b != 0),
            virt_sys::VIR_TYPED_PARAM_STRING => Field::Text(super::borrowed_text(held.s)?),
            _ => return None,
        }
    };
    match field {
        Field::Real(number) if !number.is_finite() => None,
        field => Some(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_sys::{_virTypedParameterValue as Value, virTypedParameter as Param};

    fn param(name: &str, type_: u32, value: Value) -> Param {
        let mut field = [0; 80];
        for (to, from) in field.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        Param { field, type_: type_.cast_signed(), value }
    }

    fn copied(params: &[Param]) -> Vec<(String, Field)> {
        // SAFETY: a slice of parameters whose types name the members that are set.
        unsafe { copy(params.as_ptr(), params.len()) }
    }

    #[test]
    fn every_type_of_parameter_becomes_its_field() {
        let text = c"/dev/vda".as_ptr().cast_mut();
        let params = [
            param("i", virt_sys::VIR_TYPED_PARAM_INT, Value { i: -3 }),
            param("ui", virt_sys::VIR_TYPED_PARAM_UINT, Value { ui: 7 }),
            param("l", virt_sys::VIR_TYPED_PARAM_LLONG, Value { l: i64::MIN }),
            param("ul", virt_sys::VIR_TYPED_PARAM_ULLONG, Value { ul: u64::MAX }),
            param("d", virt_sys::VIR_TYPED_PARAM_DOUBLE, Value { d: 0.5 }),
            param("b", virt_sys::VIR_TYPED_PARAM_BOOLEAN, Value { b: 1 }),
            param("s", virt_sys::VIR_TYPED_PARAM_STRING, Value { s: text }),
        ];
        let names: Vec<String> = copied(&params).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["i", "ui", "l", "ul", "d", "b", "s"]);
        let fields: Vec<Field> = copied(&params).into_iter().map(|(_, field)| field).collect();
        assert_eq!(
            fields,
            [
                Field::Signed(-3),
                Field::Unsigned(7),
                Field::Signed(i64::MIN),
                Field::Unsigned(u64::MAX),
                Field::Real(0.5),
                Field::Flag(true),
                Field::Text("/dev/vda".to_owned()),
            ]
        );
    }

    #[test]
    fn what_cannot_be_a_field_is_left_out() {
        let mut endless = param("x", virt_sys::VIR_TYPED_PARAM_UINT, Value { ui: 1 });
        endless.field = [b'x'.cast_signed(); 80];
        let params = [
            param("unknown", 99, Value { ul: 1 }),
            param("nan", virt_sys::VIR_TYPED_PARAM_DOUBLE, Value { d: f64::NAN }),
            param("null", virt_sys::VIR_TYPED_PARAM_STRING, Value { s: std::ptr::null_mut() }),
            endless,
        ];
        assert_eq!(copied(&params), []);
        // SAFETY: null is allowed.
        assert_eq!(unsafe { copy(std::ptr::null(), 3) }, []);
    }
}

//! Nova's metadata in a domain's XML, as nova-compute writes it.

use std::fmt::Write;

/// The version of the metadata's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NovaVersion {
    /// `http://openstack.org/xmlns/libvirt/nova/1.0`: Nova before Victoria.
    V1_0,
    /// `http://openstack.org/xmlns/libvirt/nova/1.1`: Nova since Victoria (2020).
    V1_1,
}

/// `nova:instance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nova {
    /// The namespace's version.
    pub version: NovaVersion,
    /// `nova:name`, the display name; any text.
    pub name: String,
    /// `nova:flavor`.
    pub flavor: Flavor,
    /// `nova:owner`.
    pub owner: Owner,
    /// `nova:root[@type='image']/@uuid`.
    pub image: Option<String>,
    /// `nova:image`, which Nova writes from 2025.2 on.
    pub image_meta: Option<ImageMeta>,
}

/// `nova:image`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageMeta {
    /// `@uuid`: none where the instance has been booted from a volume.
    pub uuid: Option<String>,
    /// Elements of a text: `containerFormat`, `diskFormat`, `minDisk`, `minRam`.
    pub fields: Vec<(String, String)>,
    /// `properties/property`: names and texts.
    pub properties: Vec<(String, String)>,
}

/// `nova:flavor`, in Nova's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// `@id`, which Nova writes from 2025.2 on.
    pub id: Option<String>,
    /// `@name`.
    pub name: String,
    /// In MiB.
    pub memory: u64,
    /// In GiB.
    pub disk: u64,
    /// In MiB.
    pub swap: u64,
    /// In GiB.
    pub ephemeral: u64,
    /// How many.
    pub vcpus: u32,
    /// `extraSpecs/extraSpec`: names and texts. Nova writes the element, be it empty, from 2025.2 on.
    pub extra_specs: Option<Vec<(String, String)>>,
}

/// `nova:owner`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `nova:user/@uuid`: 32 hexadecimal digits.
    pub user_id: String,
    /// `nova:user`.
    pub user_name: String,
    /// `nova:project/@uuid`: 32 hexadecimal digits.
    pub project_id: String,
    /// `nova:project`.
    pub project_name: String,
}

impl Nova {
    /// The `nova:instance` element.
    pub fn xml(&self) -> String {
        let version = match self.version {
            NovaVersion::V1_0 => "1.0",
            NovaVersion::V1_1 => "1.1",
        };
        let Flavor { memory, disk, swap, ephemeral, vcpus, .. } = self.flavor;
        let id = self.flavor.id.as_ref().map_or_else(String::new, |id| format!(" id=\"{}\"", escape(id)));
        let extra_specs = self.flavor.extra_specs.as_ref().map_or_else(String::new, |specs| {
            format!("<nova:extraSpecs>{}</nova:extraSpecs>", named("extraSpec", specs))
        });
        let mut xml = format!(
            "<nova:instance xmlns:nova=\"http://openstack.org/xmlns/libvirt/nova/{version}\">\
             <nova:package version=\"32.0.0\"/><nova:name>{}</nova:name>\
             <nova:creationTime>2026-01-31 12:00:00</nova:creationTime>\
             <nova:flavor name=\"{}\"{id}><nova:memory>{memory}</nova:memory><nova:disk>{disk}</nova:disk>\
             <nova:swap>{swap}</nova:swap><nova:ephemeral>{ephemeral}</nova:ephemeral>\
             <nova:vcpus>{vcpus}</nova:vcpus>{extra_specs}</nova:flavor>\
             <nova:owner><nova:user uuid=\"{}\">{}</nova:user><nova:project uuid=\"{}\">{}</nova:project></nova:owner>",
            escape(&self.name),
            escape(&self.flavor.name),
            escape(&self.owner.user_id),
            escape(&self.owner.user_name),
            escape(&self.owner.project_id),
            escape(&self.owner.project_name),
        );
        if let Some(image) = &self.image {
            let _ = write!(xml, "<nova:root type=\"image\" uuid=\"{}\"/>", escape(image));
        }
        if let Some(meta) = &self.image_meta {
            xml += &meta.xml();
        }
        xml + "</nova:instance>"
    }
}

impl ImageMeta {
    fn xml(&self) -> String {
        let uuid = self.uuid.as_ref().map_or_else(String::new, |uuid| format!(" uuid=\"{}\"", escape(uuid)));
        let mut xml = format!("<nova:image{uuid}>");
        for (element, text) in &self.fields {
            let _ = write!(xml, "<nova:{element}>{}</nova:{element}>", escape(text));
        }
        let properties = named("property", &self.properties);
        let _ = write!(xml, "<nova:properties>{properties}</nova:properties></nova:image>");
        xml
    }
}

/// Elements of a name and a text.
fn named(element: &str, pairs: &[(String, String)]) -> String {
    let each = pairs.iter().map(|(name, text)| {
        format!("<nova:{element} name=\"{}\">{}</nova:{element}>", escape(name), escape(text))
    });
    each.collect()
}

/// Text for an XML text or attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

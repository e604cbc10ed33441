//! Building and reading stanzas, the nodes that client and server exchange: the few shorthands that
//! every other file needs, and replies to an `<iq>`.

use anyhow::{Context, Result};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent};

/// The address of the server itself.
pub(crate) const SERVER: &str = "s.whatsapp.net";

pub(crate) fn element(tag: &'static str) -> NodeBuilder {
    NodeBuilder::new(tag)
}

/// An element that holds bytes.
pub(crate) fn leaf(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    element(tag).bytes(bytes).build()
}

pub(crate) fn attr(node: &Node, key: &str) -> Option<String> {
    node.attrs.get(key).map(|value| value.as_str().into_owned())
}

pub(crate) fn required_attr(node: &Node, key: &str) -> Result<String> {
    attr(node, key).with_context(|| format!("<{}> has no {key}", node.tag))
}

pub(crate) fn jid(node: &Node, key: &str) -> Option<Jid> {
    node.attrs.get(key).and_then(|value| value.to_jid())
}

pub(crate) fn required_jid(node: &Node, key: &str) -> Result<Jid> {
    jid(node, key).with_context(|| format!("<{}> has no address in {key}", node.tag))
}

pub(crate) fn child<'a>(node: &'a Node, tag: &str) -> Result<&'a Node> {
    node.get_optional_child(tag).with_context(|| format!("<{}> has no <{tag}>", node.tag))
}

/// The grandchildren `<outer><inner/>…</outer>` of a node; none without the outer one.
pub(crate) fn list<'a>(node: &'a Node, outer: &str, inner: &'a str) -> impl Iterator<Item = &'a Node> {
    node.get_optional_child(outer).into_iter().flat_map(move |outer| outer.get_children_by_tag(inner))
}

/// The bytes that a node holds, empty if it holds none.
pub(crate) fn content(node: &Node) -> Vec<u8> {
    match &node.content {
        Some(NodeContent::Bytes(bytes)) => bytes.to_vec(),
        Some(NodeContent::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// The bytes of a child, empty if there is no such child.
pub(crate) fn child_bytes(node: &Node, tag: &str) -> Vec<u8> {
    node.get_optional_child(tag).map(content).unwrap_or_default()
}

pub(crate) fn child_key(node: &Node, tag: &str) -> Result<[u8; 32]> {
    key(child_bytes(node, tag)).with_context(|| format!("<{tag}>"))
}

pub(crate) fn key(bytes: impl TryInto<[u8; 32]>) -> Result<[u8; 32]> {
    bytes.try_into().ok().context("a key has 32 bytes")
}

/// A big-endian number of at most four bytes; of a longer one, the last four.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

/// A key's number, which takes three bytes on the wire.
pub(crate) fn key_number(id: u32) -> Vec<u8> {
    id.to_be_bytes()[1..].to_vec()
}

/// The answer to an `<iq>`.
pub(crate) fn result(request: &Node, children: impl IntoIterator<Item = Node>) -> Node {
    let reply = reply(request, "result");
    let children: Vec<Node> = children.into_iter().collect();
    if children.is_empty() { reply.build() } else { reply.children(children).build() }
}

/// The refusal of an `<iq>`.
pub(crate) fn error(request: &Node, code: u16, text: &str) -> Node {
    reply(request, "error").children([element("error").attr("code", code).attr("text", text).build()]).build()
}

fn reply(request: &Node, kind: &str) -> NodeBuilder {
    element("iq").attr("from", SERVER).attr("type", kind).attr("id", attr(request, "id").unwrap_or_default())
}

/// A short form of a node for the log.
pub(crate) fn show(node: &Node) -> String {
    let attrs: String = node.attrs.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    let tag = &node.tag;
    match &node.content {
        None => format!("<{tag}{attrs}/>"),
        Some(NodeContent::Bytes(bytes)) => format!("<{tag}{attrs}>[{} bytes]", bytes.len()),
        Some(NodeContent::String(text)) => format!("<{tag}{attrs}>{text}"),
        Some(NodeContent::Nodes(children)) => {
            let shown: String = children.iter().take(8).map(show).collect();
            let more = if children.len() > 8 { format!("…{}", children.len()) } else { String::new() };
            format!("<{tag}{attrs}>{shown}{more}")
        }
    }
}

//! The Lua scripts, each behind what all share. Redis is sent a script once, and its hash from then on.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/line.lua"), include_str!(concat!("lua/", $file)))));
    };
}
script!(ENQUEUE, "enqueue.lua");
script!(CLAIM, "claim.lua");
script!(SETTLE, "settle.lua");
script!(REMOVE, "remove.lua");
script!(REMEMBER, "remember.lua");
script!(REBUILD, "rebuild.lua");
script!(REFILL, "refill.lua");
script!(SWITCH, "switch.lua");
script!(OVERVIEW, "overview.lua");

/// Two of them as functions, and what calls both.
pub(super) static SETTLE_AND_CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/line.lua"),
        "local function settle(ARGV)\n",
        include_str!("lua/settle.lua"),
        "end\nlocal function claim(ARGV)\n",
        include_str!("lua/claim.lua"),
        "end\n",
        include_str!("lua/settle_and_claim.lua"),
    ))
});

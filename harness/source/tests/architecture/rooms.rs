//! The rooms: every crate of the workspace, which others it uses, and where it is in the picture.

use Floor::{Harness, Recipes, Relay};

/// Kind of a room: its colour in the picture.
#[derive(Clone, Copy, PartialEq)]
pub enum Floor {
    /// Measures.
    Harness,
    /// Hands images over.
    Relay,
    /// Says what is measured.
    Recipes,
}

/// A crate.
pub struct Room {
    /// Name without `handoff-`.
    pub name: &'static str,
    /// What it holds, in two lines of the picture.
    pub holds: [&'static str; 2],
    pub floor: Floor,
    /// Row from the top and column from the left.
    pub position: (usize, usize),
    /// Rooms that it uses, beside `model`, in the program and in build scripts. Tests may use others.
    pub uses: &'static [&'static str],
}

/// Room that every other one may use, and that uses none.
pub const MODEL: &str = "model";

/// Every room, by its position in the picture.
pub const ROOMS: &[Room] = &[
    Room {
        name: "cli",
        holds: ["the binary: arguments in,", "one call, text out"],
        floor: Harness,
        position: (0, 2),
        uses: &[
            "analysis",
            "docker",
            "experiment",
            "fixtures",
            "github",
            "link",
            "machine",
            "records",
            "registry",
            "relay",
            "report",
            "runner",
            "services",
            "source",
            "storage",
            "strategies",
            "workflows",
        ],
    },
    Room {
        name: "source",
        holds: ["digest and commit", "of the sources"],
        floor: Harness,
        position: (4, 4),
        uses: &[],
    },
    Room {
        name: "registry",
        holds: ["relay's two registry", "ends on loopback"],
        floor: Relay,
        position: (2, 0),
        uses: &["storage"],
    },
    Room {
        name: "relay",
        holds: ["the program: send,", "receive, clean"],
        floor: Relay,
        position: (1, 1),
        uses: &["build", "containerd", "import", "registry", "source", "storage"],
    },
    Room {
        name: "build",
        holds: ["buildx's push option,", "BuildKit's trace"],
        floor: Relay,
        position: (4, 0),
        uses: &[],
    },
    Room {
        name: "github",
        holds: ["all that talks to", "GitHub; its rows"],
        floor: Harness,
        position: (1, 2),
        uses: &["build", "docker", "experiment", "fixtures", "machine", "records", "strategies", "workflows"],
    },
    Room {
        name: "runner",
        holds: ["trials: roles, clocks,", "identity gate"],
        floor: Harness,
        position: (1, 3),
        uses: &["docker", "fixtures", "link", "machine", "records", "services", "strategies"],
    },
    Room {
        name: "experiment",
        holds: ["matrix files, presets,", "budget -> plan"],
        floor: Harness,
        position: (2, 5),
        uses: &["analysis", "link"],
    },
    Room {
        name: "report",
        holds: ["terminal, Markdown,", "HTML, charts"],
        floor: Harness,
        position: (1, 4),
        uses: &["analysis", "records"],
    },
    Room {
        name: "storage",
        holds: ["client of artifact", "and cache services"],
        floor: Relay,
        position: (3, 0),
        uses: &[],
    },
    Room {
        name: "import",
        holds: ["an image into the", "store, by a root helper"],
        floor: Relay,
        position: (3, 1),
        uses: &["containerd"],
    },
    Room {
        name: "workflows",
        holds: ["the strategies as", "GitHub workflows"],
        floor: Recipes,
        position: (2, 1),
        uses: &[],
    },
    Room {
        name: "fixtures",
        holds: ["synthetic images,", "the user's images"],
        floor: Recipes,
        position: (2, 2),
        uses: &[],
    },
    Room {
        name: "strategies",
        holds: ["one file for each", "way to hand over"],
        floor: Recipes,
        position: (2, 3),
        uses: &["build", "docker"],
    },
    Room {
        name: "services",
        holds: ["emulator of artifacts", "and caches"],
        floor: Harness,
        position: (2, 4),
        uses: &["link"],
    },
    Room {
        name: "analysis",
        holds: ["summaries, verdicts,", "judged claims"],
        floor: Harness,
        position: (3, 5),
        uses: &["records"],
    },
    Room {
        name: "containerd",
        holds: ["client of the engine's", "store, for imports"],
        floor: Relay,
        position: (4, 1),
        uses: &[],
    },
    Room { name: "machine", holds: ["what is known of", "this machine"], floor: Harness, position: (4, 3), uses: &[] },
    Room {
        name: "docker",
        holds: ["engines, builders,", "image identity"],
        floor: Harness,
        position: (3, 3),
        uses: &["machine"],
    },
    Room { name: "link", holds: ["profiles, shaper,", "limits, faults"], floor: Harness, position: (3, 4), uses: &[] },
    Room {
        name: "records",
        holds: ["files of a results", "folder: read, write"],
        floor: Harness,
        position: (4, 5),
        uses: &[],
    },
    Room {
        name: MODEL,
        holds: ["the vocabulary, without I/O:", "every room may use it"],
        floor: Harness,
        position: (4, 2),
        uses: &[],
    },
];

/// Room of a package.
pub fn room_of(package: &str) -> Option<&'static Room> {
    let name = package.strip_prefix("handoff-")?;
    ROOMS.iter().find(|r| r.name == name)
}

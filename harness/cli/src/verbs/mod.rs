//! Verbs of the command line, one in each file.

mod clean;
mod collect;
mod compare;
mod dispatch;
mod doctor;
mod github;
mod image;
mod job;
mod mark;
mod plan;
mod profiles;
mod recommend;
mod relay;
mod report;
mod role;
mod run;
mod send_receive;
mod serve;
mod service;
mod strategies;
mod stream;
mod workflows;
mod workloads;

use clap::Subcommand;

/// Declares the verbs, each with the type of its options, which run it.
macro_rules! verbs {
    ($($(#[$attribute:meta])* $verb:ident($args:ty),)+) => {
        /// Verb of the command line with its options.
        #[derive(Debug, Subcommand)]
        pub enum Verb {
            $($(#[$attribute])* $verb($args),)+
        }

        impl Verb {
            /// Runs the verb and returns the exit code.
            ///
            /// # Errors
            /// The error that stops the verb: `exit::report` prints it and picks its exit code.
            pub fn run(self) -> anyhow::Result<u8> {
                match self {
                    $(Self::$verb(args) => args.run(),)+
                }
            }
        }
    };
}

verbs! {
    /// Run a plan on this machine and print the comparison table
    Run(run::Args),
    /// Print what `run` would do: its trials, disk space and estimated time
    Plan(plan::Args),
    /// Render the report of results folders
    Report(report::Args),
    /// Compare two runs cell by cell: faster, slower, equivalent or inconclusive
    Compare(compare::Args),
    /// Recommend a strategy for your team, and print its GitHub workflow
    Recommend(recommend::Args),
    /// Make a synthetic image: a build context, a directory tree, or a docker tar on stdout
    Image(image::Args),
    /// Serve GitHub's artifact and cache services on loopback, for any client
    Serve(serve::Args),
    /// Run the producer of one trial against the services that the environment names
    Produce(role::ProduceArgs),
    /// Run a consumer of one trial with the ticket of its producer
    Consume(role::ConsumeArgs),
    /// List the strategies with their options
    Strategies(strategies::Args),
    /// List the workloads and the images that they resemble
    Workloads(workloads::Args),
    /// List the link profiles with their sources, or check a run's request logs against them
    Profiles(profiles::Args),
    /// Send images to other jobs of a workflow run, through GitHub's artifact or cache service
    Send(send_receive::Send),
    /// Receive the images that another job sent
    Receive(send_receive::Receive),
    /// Report what this machine lacks, each with the command that fixes it
    Doctor(doctor::Args),
    /// List or remove what interrupted runs left on this machine
    Clean(clean::Args),
    /// Record a time in a GitHub job: `handoff mark upload upload-artifact`, or `stop`
    Mark(mark::Args),
    /// Commands that the jobs of the workflows call
    Github(github::Args),
    /// Start the benchmark on GitHub, wait for it, and collect its rows
    Dispatch(dispatch::Args),
    /// Collect the rows of a run on GitHub into a results folder
    Collect(collect::Args),
    /// Write or check the GitHub workflows of a checkout of Handoff
    Workflows(workflows::Args),
    /// Run as a job of a trial (the runner starts it)
    #[command(hide = true)]
    Job(job::Args),
    /// Serve the services over standard streams (the runner starts it)
    #[command(hide = true)]
    Service(service::Args),
    /// Stream an artifact: the client of `zstd-stream`
    #[command(hide = true)]
    Stream(stream::Args),
    /// Write images into the engine's store as root, for `receive`
    #[command(hide = true)]
    ImportHelper(send_receive::ImportHelper),
    /// Switch the engine's image store as root, for `receive`
    #[command(hide = true)]
    StoreSwitch(send_receive::StoreSwitch),
    /// Run the sender or receiver of `relay`, a registry on loopback
    #[command(hide = true)]
    Relay(relay::Args),
}

/// Output format of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

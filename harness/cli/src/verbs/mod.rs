//! One file a verb.

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
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub enum Verb {
            $($(#[$attribute])* $verb($args),)+
        }

        impl Verb {
            /// Does it, and gives the exit code.
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
    /// Print what `run` would do: trials, disk, an estimate of the time
    Plan(plan::Args),
    /// Render the report of one or several results folders
    Report(report::Args),
    /// Compare two runs cell by cell: faster, slower, equivalent or inconclusive
    Compare(compare::Args),
    /// Name the variant for a team, and print the workflow of exactly that variant
    Recommend(recommend::Args),
    /// Make a synthetic image: a build context, a directory tree, or a docker tar on stdout
    Image(image::Args),
    /// Serve GitHub's artifact and cache services on loopback, for any client
    Serve(serve::Args),
    /// Run the producer of one trial against the service in the environment, and print its ticket
    Produce(role::ProduceArgs),
    /// Run a consumer of one trial with a producer's ticket
    Consume(role::ConsumeArgs),
    /// List the strategies with their options
    Strategies(strategies::Args),
    /// List the workloads with what they stand for
    Workloads(workloads::Args),
    /// List the link profiles with their figures and sources, or compare a run's request logs with them
    Profiles(profiles::Args),
    /// Send an image of the engine to other jobs of the workflow run: a relay, for use beside the benchmark
    Send(send_receive::SendArgs),
    /// Receive an image that another job has sent
    Receive(send_receive::ReceiveArgs),
    /// Say what is missing on this machine, and the command that mends it
    Doctor(doctor::Args),
    /// List, or remove, what runs that were cut off have left on this machine
    Clean(clean::Args),
    /// Mark a time in a GitHub job: `handoff mark upload upload-artifact`, or `stop`
    Mark(mark::Args),
    /// What the jobs of the workflows call
    Github(github::Args),
    /// Start the workflow on GitHub, show how it goes, and fetch its rows
    Dispatch(dispatch::Args),
    /// Join what the jobs of a run on GitHub have left into a results folder
    Collect(collect::Args),
    /// Write or check the GitHub workflows of a checkout of Handoff
    Workflows(workflows::Args),
    /// The inside of a job (started by the runner)
    #[command(hide = true)]
    Job(job::Args),
    /// The services as a process of their own (started by the runner)
    #[command(hide = true)]
    Service(service::Args),
    /// The streaming client of `zstd-stream`, as a process of its own
    #[command(hide = true)]
    Stream(stream::Args),
    /// One end of `relay`, a registry on loopback, as a process of its own
    #[command(hide = true)]
    Relay(relay::Args),
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

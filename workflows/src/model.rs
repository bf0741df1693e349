//! Types of a workflow's parts: step, job, input and file.

use crate::yaml::{Node, map};

/// Step of a job.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Step {
    name: String,
    id: Option<String>,
    condition: Option<String>,
    uses: Option<Node>,
    with: Vec<(String, Node)>,
    env: Vec<(String, Node)>,
    run: Option<String>,
    background: bool,
    control: Option<(&'static str, Node)>,
}

impl Step {
    /// Step that runs a bash script. The script has no expressions, because values are variables of the environment.
    pub fn run(name: &str, script: &str) -> Self {
        Self { name: name.to_owned(), run: Some(script.to_owned()), ..Self::default() }
    }

    /// Step that uses an action.
    pub fn uses(name: &str, action: Node) -> Self {
        Self { name: name.to_owned(), uses: Some(action), ..Self::default() }
    }

    /// Step that waits for a background step.
    pub fn wait(id: &str) -> Self {
        Self { control: Some(("wait", id.into())), ..Self::default() }
    }

    /// Steps that run at the same time; the next step waits for all of them.
    pub fn parallel(steps: impl IntoIterator<Item = Self>) -> Self {
        let steps = steps.into_iter().map(Node::from).collect();
        Self { control: Some(("parallel", Node::List(steps))), ..Self::default() }
    }

    /// Runs the step beside the steps after it.
    pub fn in_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// Sets the id, by which later steps refer to this one.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Sets the condition of the step.
    pub fn when(mut self, condition: &str) -> Self {
        self.condition = Some(condition.to_owned());
        self
    }

    /// Adds an input of the action.
    pub fn with(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.with.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }
}

impl From<Step> for Node {
    fn from(step: Step) -> Self {
        if let Some((key, value)) = step.control {
            return map([(key, value)]);
        }
        let mut pairs: Vec<(String, Node)> = vec![("name".into(), step.name.into())];
        let composite_shell = step.run.is_some();
        let optional = [
            ("id", step.id.map(Node::from)),
            ("if", step.condition.map(Node::from)),
            ("background", step.background.then(|| true.into())),
            ("uses", step.uses),
            ("with", (!step.with.is_empty()).then_some(Node::Map(step.with))),
            ("env", (!step.env.is_empty()).then_some(Node::Map(step.env))),
            ("shell", composite_shell.then(|| "bash".into())),
            ("run", step.run.map(Node::from)),
        ];
        pairs.extend(optional.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))));
        Node::Map(pairs)
    }
}

/// Job of a workflow.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Job {
    /// Keys before the steps, in order: `name`, `needs`, `if`, `runs-on` and so on.
    pub head: Vec<(String, Node)>,
    /// Steps; empty if the job calls another workflow.
    pub steps: Vec<Step>,
}

impl Job {
    /// Job with a name.
    pub fn named(name: &str) -> Self {
        Self { head: vec![("name".to_owned(), name.into())], steps: Vec::new() }
    }

    /// Adds a key before the steps.
    pub fn set(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.head.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the permissions of the job's token.
    pub fn may(self, permissions: &[(&str, &str)]) -> Self {
        self.set("permissions", map(permissions.iter().copied()))
    }

    /// Runs the job for each value of a matrix variable, without fail-fast.
    pub fn for_each(self, variable: &str, values: impl Into<Node>) -> Self {
        let matrix = map([(variable, values.into())]);
        self.set("strategy", map([("fail-fast", Node::from(false)), ("matrix", matrix)]))
    }

    /// Adds steps.
    pub fn with_steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }
}

impl From<Job> for Node {
    fn from(job: Job) -> Self {
        let mut pairs = job.head;
        if !job.steps.is_empty() {
            pairs.push(("steps".into(), Node::List(job.steps.into_iter().map(Node::from).collect())));
        }
        Node::Map(pairs)
    }
}

/// Input of a workflow that a user starts.
#[derive(Debug, Clone)]
pub struct Input {
    /// Name.
    pub name: &'static str,
    /// Description in the form.
    pub description: String,
    /// Default.
    pub default: String,
    /// Choices; empty for free text.
    pub choices: Vec<String>,
}

impl Input {
    /// Input with free text.
    pub fn text(name: &'static str, description: &str, default: &str) -> Self {
        Self { name, description: description.to_owned(), default: default.to_owned(), choices: Vec::new() }
    }

    /// Input with choices.
    pub fn choice(name: &'static str, description: &str, default: &str, choices: &[&str]) -> Self {
        Self { choices: choices.iter().map(|c| (*c).to_owned()).collect(), ..Self::text(name, description, default) }
    }

    /// Name and YAML of the input.
    fn node(&self) -> (String, Node) {
        let mut pairs: Vec<(String, Node)> = vec![
            ("description".into(), self.description.clone().into()),
            ("type".into(), if self.choices.is_empty() { "string" } else { "choice" }.into()),
            ("default".into(), self.default.clone().into()),
        ];
        if !self.choices.is_empty() {
            pairs.push(("options".into(), Node::List(self.choices.iter().map(|c| c.as_str().into()).collect())));
        }
        (self.name.to_owned(), Node::Map(pairs))
    }

    /// Trigger `workflow_dispatch` with these inputs.
    pub fn form(inputs: &[Self]) -> Node {
        map([("workflow_dispatch", map([("inputs", Node::Map(inputs.iter().map(Self::node).collect()))]))])
    }
}

/// Expression, which GitHub replaces by its value.
pub fn expression(text: &str) -> String {
    format!("${{{{ {text} }}}}")
}

/// First line of every generated file.
pub const BANNER: &str =
    "# Written by `handoff workflows sync` from workflows/src and workflows/pins.toml: change those, not this file.\n";

/// Text of a file with these top-level keys.
pub fn file(pairs: Vec<(&str, Node)>) -> String {
    let text = map(pairs).document();
    format!("{BANNER}{}\n", text.trim_end())
}

//! The processes of a row: started on free ports, stopped when they are dropped.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{show, wait_until};
use crate::{
    http::{self, Answer},
    load::Report,
    sink::{CONTROL, Stats},
};

/// How long a process may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The names of vendors whose host is fixed, which the sink's certificate has and the server is told
/// to look for at the sink.
const VENDOR_HOSTS: [&str; 1] = ["api.datadoghq.com"];
/// The integrations that are also measured without compression.
const UNCOMPRESSED: [&str; 2] = ["elastic", "splunk"];

/// Where the binaries and the integrations are.
pub(super) struct Tools {
    bin_dir: PathBuf,
    integrations: PathBuf,
}

impl Tools {
    /// Looks for the binaries, and makes a folder of integrations: that of `bench/`, and copies of
    /// built-in ones that do not compress, as `bench-KEY`.
    pub fn find(bin_dir: &Path, root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let bin_dir = bin_dir.canonicalize().with_context(|| show(bin_dir))?;
        for name in ["auditcast", "bench-sink", "bench-load"] {
            ensure!(bin_dir.join(name).is_file(), "{} is not built; make bench builds it", show(&bin_dir.join(name)));
        }
        let integrations = folder.join("integrations");
        copy(&root.join("bench/integrations/bench-post"), &integrations.join("bench-post"))?;
        for key in UNCOMPRESSED {
            let to = integrations.join(format!("bench-{key}"));
            copy(&root.join("integrations").join(key), &to)?;
            let mut manifest: Value = serde_json::from_slice(&fs::read(to.join("manifest.json"))?)?;
            let extension = &mut manifest["capabilities"]["auditLogEventsHook"]["auditcast"];
            extension.as_object_mut().context("a manifest without what is ours")?.remove("gzipFromBytes");
            fs::write(to.join("manifest.json"), manifest.to_string())?;
        }
        Ok(Self { bin_dir, integrations: integrations.canonicalize()? })
    }

    /// A command of one of the binaries, with nothing from the environment.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(name));
        command.env_clear().stdin(Stdio::null());
        command
    }

    /// Runs a load to its end.
    pub fn load(&self, arguments: &[String]) -> anyhow::Result<Report> {
        self.load_start(arguments)?.end()
    }

    /// Starts a load.
    pub fn load_start(&self, arguments: &[String]) -> anyhow::Result<Load> {
        let mut command = self.command("bench-load");
        command.args(arguments).stdout(Stdio::piped());
        Ok(Load(Process(command.spawn().context("bench-load")?)))
    }

    /// The rate at which the store alone commits batches of 100 of 8 callers, in entries a second.
    ///
    /// Nothing where the example that measures it is not built.
    pub fn store_rate(&self, folder: &Path) -> anyhow::Result<Option<f64>> {
        use std::io::{BufRead, BufReader};
        let example = self.bin_dir.join("examples/commit_rate");
        if !example.is_file() {
            return Ok(None);
        }
        let mut command = Command::new(example);
        let mut process = Process(command.arg(folder).arg("1").stdout(Stdio::piped()).spawn()?);
        let out = process.0.stdout.take().context("no output of commit_rate")?;
        for line in BufReader::new(out).lines() {
            let line = line?;
            if line.contains("batches of 100") {
                // The name of the load is followed by the rate and two percentiles.
                return Ok(line.split_whitespace().rev().nth(2).and_then(|rate| rate.parse().ok()));
            }
        }
        Ok(None)
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from).with_context(|| show(from))? {
        let file = file?;
        let to = to.join(file.file_name());
        match file.file_type()?.is_dir() {
            true => copy(&file.path(), &to)?,
            false => fs::copy(file.path(), to).map(drop)?,
        }
    }
    Ok(())
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A load under way.
pub(super) struct Load(Process);

impl Load {
    /// Waits for its end.
    pub fn end(mut self) -> anyhow::Result<Report> {
        use std::io::Read;
        let mut text = Vec::new();
        self.0.0.stdout.take().context("no output of bench-load")?.read_to_end(&mut text)?;
        ensure!(self.0.0.wait()?.success(), "bench-load failed");
        Ok(serde_json::from_slice(&text)?)
    }
}

/// What a sink is started with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SinkSetup {
    pub tls: bool,
    pub delay_ms: u64,
    /// Further hosts beside 127.0.0.1, under 127.0.1.
    pub hosts: u8,
    /// Whether it takes every request and never answers one.
    pub hangs: bool,
}

/// A sink, and where it is reached.
pub(super) struct Sink {
    process: Process,
    /// At least one.
    pub plain: Vec<SocketAddr>,
    pub tls: Option<SocketAddr>,
    ca: PathBuf,
}

impl Sink {
    pub fn start(tools: &Tools, folder: &Path, setup: SinkSetup) -> anyhow::Result<Self> {
        let (log, ca) = (folder.join("sink.log"), folder.join("ca.pem"));
        let mut command = tools.command("bench-sink");
        command.args(["--listen", "127.0.0.1:0", "--delay-ms", &setup.delay_ms.to_string()]);
        for host in 1..=setup.hosts {
            command.args(["--listen", &format!("127.0.1.{host}:0")]);
        }
        if setup.hangs {
            // What it is asked for itself is answered all the same.
            command.args(["--misbehave", "/s=hang"]);
        }
        if setup.tls {
            command.args(["--tls-listen", "127.0.0.1:0", "--ca-out"]).arg(&ca);
            command.args(VENDOR_HOSTS.iter().flat_map(|host| ["--name", host]));
        }
        let mut process = Process(command.stdout(File::create(&log)?).spawn().context("bench-sink")?);
        let text = until_line(&mut process, &log, "ready")?;
        let addresses = |scheme: &str| -> anyhow::Result<Vec<SocketAddr>> {
            Ok(text.lines().filter_map(|line| line.strip_prefix(scheme)).map(str::parse).collect::<Result<_, _>>()?)
        };
        Ok(Self { process, plain: addresses("http://")?, tls: addresses("https://")?.first().copied(), ca })
    }

    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub fn stats(&self) -> anyhow::Result<Stats> {
        Ok(serde_json::from_slice(&self.control("GET", "stats")?.body)?)
    }

    pub fn ids(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.control("GET", "ids")?.body)?)
    }

    /// Forgets what came so far.
    pub fn reset(&self) -> anyhow::Result<()> {
        self.control("POST", "reset").map(drop)
    }

    fn control(&self, method: &str, route: &str) -> anyhow::Result<Answer> {
        let answer = http::call(self.plain[0], method, &format!("{CONTROL}{route}"), None, b"")?;
        ensure!(answer.status < 300, "the sink answers {} to {route}", answer.status);
        Ok(answer)
    }
}

/// A server with data of its own.
pub(super) struct Server {
    process: Process,
    pub address: SocketAddr,
    pub token: String,
    pub data_dir: PathBuf,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
}

impl Server {
    /// Starts a server whose settings are the default ones but for `settings` and what a row needs.
    pub fn start(tools: &Tools, folder: &Path, sink: &Sink, settings: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let (data_dir, log) = (folder.join("data"), folder.join("server.log"));
        let token = format!("bench-{:032x}", u128::from(crate::now_us()));
        let mut environment = vec![
            ("AUDITCAST_LISTEN", "127.0.0.1:0".to_owned()),
            ("AUDITCAST_DATA_DIR", show(&data_dir)),
            ("AUDITCAST_BOOTSTRAP_TOKEN", token.clone()),
            ("AUDITCAST_INTEGRATIONS_DIR", show(&tools.integrations)),
            ("AUDITCAST_ALLOW_DESTINATIONS", "127.0.0.0/8".to_owned()),
            ("AUDITCAST_ACCOUNT_SUBSCRIPTIONS_MAX", "1000000".to_owned()),
            // A scene makes subscriptions as fast as it can.
            ("AUDITCAST_RATE_LIMIT_TOKEN", "0".to_owned()),
            ("AUDITCAST_RATE_LIMIT_ADDRESS", "0".to_owned()),
        ];
        if let Some(tls) = sink.tls {
            let names: Vec<String> = VENDOR_HOSTS.iter().map(|host| format!("{host}:443={tls}")).collect();
            environment.push(("AUDITCAST_CONNECT_TO", names.join(",")));
            environment.push(("AUDITCAST_EXTRA_CA", show(&sink.ca)));
        }
        environment.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let process = launch(tools, &environment, folder, &log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { process, address, token, data_dir, environment, log };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends the process as a power cut would, as far as a process can see.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        Ok(())
    }

    /// Starts it again on the same data, and returns at once.
    pub fn launch_again(&mut self, tools: &Tools, folder: &Path) -> anyhow::Result<()> {
        self.process = launch(tools, &self.environment, folder, &self.log)?;
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let line = until_line(&mut self.process, &self.log, "serving on http://")?;
        let address = line.split("serving on http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        self.address = address.context("no address in the log of the server")?.parse()?;
        let ready =
            wait_until(START_LIMIT, || Ok(http::call(self.address, "GET", "/readyz", None, b"")?.status == 200))?;
        ensure!(ready, "the server does not become ready");
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Makes a subscription that is on and takes every entry of a load; its path in the API.
    pub fn subscribe(&self, key: &str, config: &Value) -> anyhow::Result<String> {
        let all = json!([{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]}]);
        let body = json!({"name": "Benchmark", "on": true, "config": config, "statements": all});
        let made = self.api("POST", &format!("/api/v2/integrations/{key}"), &body)?;
        let id = made["_id"].as_str().context("a subscription without an id")?;
        Ok(format!("/api/v2/integrations/{key}/{id}"))
    }

    /// Switches a subscription on or off.
    pub fn switch(&self, subscription: &str, on: bool) -> anyhow::Result<()> {
        self.api("PATCH", subscription, &json!([{"op": "replace", "path": "/on", "value": on}])).map(drop)
    }

    fn api(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = http::call(self.address, method, path, Some(&self.token), body.to_string().as_bytes())?;
        if answer.status >= 300 {
            bail!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

fn launch(tools: &Tools, environment: &[(&str, String)], folder: &Path, log: &Path) -> anyhow::Result<Process> {
    let mut command = tools.command("auditcast");
    // Its working directory must not hold a file of settings.
    command.arg("serve").envs(environment.iter().map(|(name, value)| (name, value))).current_dir(folder);
    let process = command.stdout(Stdio::null()).stderr(File::create(log)?).spawn().context("auditcast")?;
    Ok(Process(process))
}

/// Waits until the log of a process has a line that contains `text`; the whole log then.
fn until_line(process: &mut Process, log: &Path, text: &str) -> anyhow::Result<String> {
    let mut found = String::new();
    let came = wait_until(START_LIMIT, || {
        found = fs::read_to_string(log)?;
        let there = found.lines().any(|line| line.contains(text)) && found.ends_with('\n');
        ensure!(there || process.0.try_wait()?.is_none(), "a process ended before it served: {found}");
        Ok(there)
    })?;
    ensure!(came, "a process does not begin to serve: {found}");
    Ok(found)
}

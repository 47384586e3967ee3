//! Putting the process together: configuration, clusters, listeners, signals.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use commutator_models::source::HubOptions;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::ProxyServiceBuilder;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;

use crate::admin::AdminApp;
use crate::bootstrap::Bootstrap;
use crate::cluster::ClusterObserver;
use crate::lifecycle::signals::{Hangup, Signals};
use crate::lifecycle::stage::Stage;
use crate::lifecycle::{drain, systemd, watch};
use crate::proxy::Gateway;
use crate::snapshot::{LoadError, Models, ReloadReport, Store};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;

/// How the process is started.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Take the listeners over from a running process.
    pub upgrade: bool,
    /// Report readiness only once a frontend is ready.
    pub wait_for_upstream: bool,
}

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The policy cannot be used.
    #[error("{0}")]
    Policy(#[from] LoadError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("listeners: {address}: {message}")]
    Tls {
        /// The listener.
        address: SocketAddr,
        /// Why.
        message: String,
    },
    /// Anything else that the system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A mistake in the metrics, found by their test.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Reloads the policy and says so, whoever asks.
pub(crate) struct Reloader {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
}

impl Reloader {
    /// Reads the policy again. Blocks.
    pub(crate) fn reload(&self, trigger: &'static str) -> Arc<ReloadReport> {
        systemd::reloading();
        let report = self.store.reload(trigger);
        let result = if report.ok { "ok" } else { "error" };
        self.metrics
            .reloads
            .with_label_values(&[trigger, result])
            .inc();
        self.metrics
            .revision
            .set(i64::try_from(report.revision).unwrap_or(i64::MAX));
        systemd::reloaded(&match report.ok {
            true => format!("policy revision {}", report.revision),
            false => format!(
                "policy revision {} (the file has mistakes)",
                report.revision
            ),
        });
        report
    }

    /// Whether the policy file still is what the active policy was made from.
    #[must_use]
    pub(crate) fn is_current(&self) -> bool {
        let active = self.store.current();
        std::fs::read_to_string(self.store.path())
            .is_ok_and(|text| crate::snapshot::hash_of(&text) == active.hash)
    }

    /// The files whose change calls for a reload.
    #[must_use]
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = self.store.current().files.clone();
        let policy = self.store.path().to_path_buf();
        if !files.contains(&policy) {
            files.push(policy);
        }
        files
    }
}

/// Serves until the process is told to end. Returns only where it cannot start.
///
/// # Errors
/// What keeps the process from starting.
pub(crate) fn run(
    bootstrap: Bootstrap,
    policy: PathBuf,
    options: &Options,
) -> Result<(), StartError> {
    crate::telemetry::init_logging(&bootstrap.log);
    if !options.upgrade {
        check_addresses(&bootstrap)?;
    }
    // Cluster probes, discovery, reloads and admin work run here, never on the proxy's threads.
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()?;
    let metrics = Arc::new(Metrics::new()?);
    let access = AccessLog::start(bootstrap.log.access);
    let stage = Arc::new(Stage::default());
    let observer: Arc<dyn ClusterObserver> = Arc::clone(&metrics) as _;
    let hangup = {
        let _on = control.enter();
        Hangup::listen()
    };
    let models = Models {
        hub: HubOptions::from_process_env(),
        metrics: metrics.engine.clone(),
    };
    let store = Store::open(policy, control.handle().clone(), observer, models)?;
    metrics.revision.set(1);
    metrics.reloads.with_label_values(&["start", "ok"]).inc();
    let reloader = Arc::new(Reloader {
        store: Arc::clone(&store),
        metrics: Arc::clone(&metrics),
    });

    // Before `bootstrap`, which in an upgrade waits for the old process: a change meanwhile must not be missed.
    if bootstrap.reload.watch {
        watch::start(Arc::clone(&reloader), bootstrap.reload.settle.get());
    }
    if options.upgrade {
        // The old process serves on meanwhile. Requests reach this one as soon as it has the listeners: by then it
        // should know which frontends are ready.
        control.block_on(store.current().settled());
    }

    let mut server = Server::new_with_opt_and_conf(
        options.upgrade.then(|| Opt {
            upgrade: true,
            ..Opt::default()
        }),
        server_conf(&bootstrap),
    );
    server.bootstrap();
    let gateway = Gateway::new(
        Arc::clone(&store),
        Arc::clone(&metrics),
        access.clone(),
        bootstrap.limits.clone(),
        Arc::clone(&stage),
    );
    add_data(&mut server, &bootstrap, gateway)?;
    add_admin(
        &mut server,
        &bootstrap,
        AdminApp::new(
            Arc::clone(&store),
            Arc::clone(&reloader),
            Arc::clone(&metrics),
            Arc::clone(&stage),
            bootstrap.admin.clone(),
            control.handle().clone(),
        ),
    );
    drain::exit_when_idle(
        server.watch_execution_phase(),
        bootstrap.shutdown.grace.get(),
        Arc::clone(&stage),
        metrics,
        access.clone(),
    );
    control.spawn(announce(
        Arc::clone(&store),
        options.wait_for_upstream,
        bootstrap.clone(),
        Arc::clone(&stage),
    ));
    server.run(RunArgs {
        shutdown_signal: Box::new(Signals {
            reloader,
            stage,
            upgrade_socket: bootstrap.upgrade_socket.clone(),
            hangup,
        }),
    });
    tracing::warn!("ending with requests in flight");
    access.flush();
    std::process::exit(0);
}

fn server_conf(bootstrap: &Bootstrap) -> ServerConf {
    let threads = bootstrap
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    ServerConf {
        threads,
        work_stealing: true,
        // `drain` ends the process before, unless something hangs.
        grace_period_seconds: Some((bootstrap.shutdown.grace.get() + drain::LAST_WORDS).as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        upgrade_sock: bootstrap.upgrade_socket.display().to_string(),
        upstream_keepalive_pool_size: bootstrap.limits.upstream_keepalive,
        // Our own `retries.max` decides; this is only the roof over it.
        max_retries: 16,
        ..ServerConf::default()
    }
}

/// Pingora panics where it cannot listen; find out first, and say which address it is.
fn check_addresses(bootstrap: &Bootstrap) -> Result<(), StartError> {
    let addresses = bootstrap
        .listeners
        .iter()
        .map(|listener| listener.address)
        .chain([bootstrap.admin.address]);
    for address in addresses {
        TcpListener::bind(address).map_err(|error| StartError::Listen { address, error })?;
    }
    Ok(())
}

fn add_data(
    server: &mut Server,
    bootstrap: &Bootstrap,
    gateway: Gateway,
) -> Result<(), StartError> {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(bootstrap.limits.keepalive.get());
    options.keepalive_request_limit =
        (bootstrap.limits.keepalive_requests > 0).then_some(bootstrap.limits.keepalive_requests);
    let mut service = ProxyServiceBuilder::new(&server.configuration, gateway)
        .name("data")
        .server_options(options)
        .build();
    for listener in &bootstrap.listeners {
        let address = listener.address.to_string();
        let Some(tls) = &listener.tls else {
            service.add_tcp(&address);
            continue;
        };
        let failed = |message: String| StartError::Tls {
            address: listener.address,
            message,
        };
        for path in [&tls.certificate, &tls.key] {
            std::fs::read(path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        }
        let certificate = tls.certificate.display().to_string();
        let key = tls.key.display().to_string();
        check_certificate(&certificate, &key).map_err(failed)?;
        let mut settings =
            TlsSettings::intermediate(&certificate, &key).map_err(|e| failed(e.to_string()))?;
        settings.enable_h2();
        service.add_tls_with_settings(&address, None, settings);
    }
    server.add_service(service);
    Ok(())
}

/// Pingora panics, in a thread of its own, over a certificate or key that cannot be used; find out first.
fn check_certificate(certificate: &str, key: &str) -> Result<(), String> {
    use pingora::tls;
    tls::install_default_crypto_provider();
    let unusable = || format!("{certificate} and {key} hold no certificate and private key in PEM");
    let found = tls::load_certs_and_key_files(certificate, key).map_err(|_| unusable())?;
    let (chain, private) = found.ok_or_else(unusable)?;
    let versions = [&tls::version::TLS12, &tls::version::TLS13];
    tls::ServerConfig::builder_with_protocol_versions(&versions)
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map(drop)
        .map_err(|error| format!("{certificate} and {key}: {error}"))
}

fn add_admin(server: &mut Server, bootstrap: &Bootstrap, app: AdminApp) {
    let mut service = Service::new("admin".to_owned(), app);
    service.threads = Some(1);
    service.add_tcp(&bootstrap.admin.address.to_string());
    server.add_service(service);
}

/// Tells the service manager when the gateway is ready, and that it lives.
async fn announce(
    store: Arc<Store>,
    wait_for_upstream: bool,
    bootstrap: Bootstrap,
    stage: Arc<Stage>,
) {
    let data = bootstrap.listeners.first().map(|listener| listener.address);
    let stage = &stage;
    let answers = move || async move {
        let Some(mut address) = data else { return true };
        if stage.is_leaving() {
            // Its listeners are closed, as they should be.
            return true;
        }
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let connect = tokio::net::TcpStream::connect(address);
        matches!(
            tokio::time::timeout(Duration::from_secs(5), connect).await,
            Ok(Ok(_))
        )
    };
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut said_waiting = false;
    loop {
        tick.tick().await;
        let snapshot = store.current();
        let upstream = snapshot.clusters.iter().any(|cluster| cluster.is_ready());
        if (upstream || !wait_for_upstream) && answers().await {
            break;
        }
        if !said_waiting {
            systemd::status("waiting for a frontend");
            said_waiting = true;
        }
    }
    let revision = store.current().revision;
    tracing::info!(revision, "serving");
    systemd::ready(&format!("policy revision {revision}"));
    systemd::watchdog(answers).await;
}

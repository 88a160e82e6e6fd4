//! A stock iroh endpoint for interop tests and benchmarks: it listens or dials over loopback, checks what comes back,
//! and reports in JSON, one object a line on standard output.
//!
//! It has no address lookup and no relays but those it is given, so nothing leaves the addresses that it knows.

mod bulk;
mod dial;
mod discovery;
mod echo;
mod endpoint;
mod interactive;
mod lookup;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use endpoint::EndpointArgs;
use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr, EndpointId, TransportAddr};
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Value, json};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Accepts connections and echoes: a bidirectional stream on itself, a unidirectional one on a new one, datagrams one by one.
    Listen {
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Ends after this many connections have closed.
        #[arg(long)]
        connections: Option<usize>,
        /// Speaks the benchmark's protocol instead of echoing.
        #[arg(long)]
        bulk: bool,
    },
    /// Dials an echoing peer and checks every byte that comes back.
    Dial {
        #[command(flatten)]
        endpoint: EndpointArgs,
        #[command(flatten)]
        target: TargetArgs,
        /// How much to send on each stream.
        #[arg(long, default_value_t = 1 << 20)]
        bytes: usize,
        /// How many datagrams to send.
        #[arg(long, default_value_t = 10)]
        datagrams: usize,
        /// Afterwards echoes what the peer opens, until it closes the connection.
        #[arg(long)]
        serve: bool,
    },
    /// Asks an address-discovery service for its own address.
    Discover {
        #[command(flatten)]
        args: discovery::DiscoverArgs,
    },
    /// Takes commands as lines of JSON on standard input, as the peers of the NAT laboratory do.
    Interactive {
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Dials a `listen --bulk` peer and measures one direction.
    Bulk {
        #[command(flatten)]
        endpoint: EndpointArgs,
        #[command(flatten)]
        target: TargetArgs,
        #[arg(long, default_value_t = 256 << 20)]
        bytes: u64,
        /// Measures from the peer to here instead of from here to the peer.
        #[arg(long)]
        receive: bool,
    },
}

#[derive(Args)]
struct TargetArgs {
    #[arg(long, conflicts_with_all = ["id", "addr"])]
    ticket: Option<EndpointTicket>,
    #[arg(long)]
    id: Option<EndpointId>,
    /// Addresses of the peer; may be repeated. Without any, it is looked up, or else dialled over the relays.
    #[arg(long, requires = "id")]
    addr: Vec<SocketAddr>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Cli::parse().command).await {
        report(json!({ "event": "error", "message": format!("{error:#}") }));
        std::process::exit(1);
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Listen {
            endpoint,
            connections,
            bulk,
        } => listen(endpoint, connections, bulk).await,
        Command::Dial {
            endpoint: args,
            target,
            bytes,
            datagrams,
            serve,
        } => {
            let (endpoint, connection) = connect(&args, target).await?;
            let figures = dial::check(&connection, bytes, datagrams).await?;
            report_connected("checked", &connection, figures);
            if serve {
                let figures = echo::serve(&connection).await;
                report_connected("closed", &connection, figures.to_json());
            }
            connection.close(0u32.into(), b"done");
            endpoint.close().await;
            Ok(())
        }
        Command::Discover { args } => {
            report(discovery::discover(args).await?);
            Ok(())
        }
        Command::Interactive { endpoint } => interactive::run(endpoint).await,
        Command::Bulk {
            endpoint: args,
            target,
            bytes,
            receive,
        } => {
            let (endpoint, connection) = connect(&args, target).await?;
            let figures = bulk::measure(&connection, bytes, receive).await?;
            report_connected("measured", &connection, figures);
            connection.close(0u32.into(), b"done");
            endpoint.close().await;
            Ok(())
        }
    }
}

async fn listen(args: EndpointArgs, connections: Option<usize>, bulk: bool) -> Result<()> {
    let endpoint = args.bind().await?;
    args.online(&endpoint).await?;
    let addrs = endpoint.bound_sockets();
    let relays = endpoint.addr().relay_urls().cloned().collect::<Vec<_>>();
    let addr = EndpointAddr::from_parts(
        endpoint.id(),
        addrs
            .iter()
            .copied()
            .map(TransportAddr::Ip)
            .chain(relays.into_iter().map(TransportAddr::Relay)),
    );
    report(json!({
        "event": "listening",
        "id": endpoint.id().to_string(),
        "ticket": EndpointTicket::new(addr).to_string(),
        "port": addrs.first().map(SocketAddr::port),
        "addrs": addrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }));

    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let mut left = connections;
    while left != Some(0) {
        tokio::select! {
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { break };
                let closed = closed.clone();
                tokio::spawn(async move {
                    match incoming.await {
                        Ok(connection) => serve(&connection, bulk).await,
                        Err(error) => report(json!({ "event": "refused", "message": error.to_string() })),
                    }
                    // The receiver is gone only when this program is ending.
                    closed.send(()).ok();
                });
            }
            Some(()) = closings.recv() => left = left.map(|count| count - 1),
        }
    }
    endpoint.close().await;
    Ok(())
}

async fn serve(connection: &Connection, bulk: bool) {
    report_connected("connection", connection, json!({}));
    let figures = if bulk {
        bulk::serve(connection).await;
        json!({})
    } else {
        echo::serve(connection).await.to_json()
    };
    report_connected("closed", connection, figures);
}

async fn connect(args: &EndpointArgs, target: TargetArgs) -> Result<(Endpoint, Connection)> {
    let addr = match (target.ticket, target.id) {
        (Some(ticket), _) => ticket.endpoint_addr().clone(),
        (None, Some(id)) if args.lookup.finds() && target.addr.is_empty() => id.into(),
        (None, Some(id)) => {
            let relays = args.relay.iter().cloned().map(TransportAddr::Relay);
            let addresses = target.addr.into_iter().map(TransportAddr::Ip);
            EndpointAddr::from_parts(id, addresses.chain(relays))
        }
        (None, None) => anyhow::bail!("give --ticket, or --id and --addr or --relay"),
    };
    let endpoint = args.bind().await?;
    let connection = endpoint
        .connect(addr, args.alpn.as_bytes())
        .await
        .context("can't connect")?;
    Ok((endpoint, connection))
}

fn report_connected(event: &str, connection: &Connection, figures: Value) {
    let mut line = json!({
        "event": event,
        "remote_id": connection.remote_id().to_string(),
        "alpn": String::from_utf8_lossy(connection.alpn()),
    });
    if let (Some(line), Value::Object(figures)) = (line.as_object_mut(), figures) {
        line.extend(figures);
    }
    report(line);
}

/// Standard output is line buffered only on a terminal, so each line is written whole and at once.
fn report(line: Value) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    // A reader that went away is no reason to fail: the connection is what counts.
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .ok();
}

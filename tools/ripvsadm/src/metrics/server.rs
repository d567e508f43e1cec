// SPDX-License-Identifier: GPL-2.0

//! A server that answers scrapes: one thread, bounded connections, bytes and time.
//!
//! A connection serves one request. So that nobody can keep others out by being slow, a new
//! connection takes the place of the oldest one whose request has not come, and each state of a
//! connection has a deadline.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::exposition::Format;
use super::http::{self, Refusal, Request, HEAD_MAX};

/// The greatest number of connections, and of those among them that get metrics at a time, which
/// may be many megabytes each.
const CONNECTIONS_MAX: usize = 32;
const WRITERS_MAX: usize = 4;

/// The time in which a request must have come, an answer must be taken (Prometheus, too, gives up
/// after ten seconds), and a client must close its side when it has the answer.
const READ_TIME: Duration = Duration::from_secs(5);
const WRITE_TIME: Duration = Duration::from_secs(10);
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// The time that answers have which are under way when the server ends.
const END_TIME: Duration = Duration::from_secs(2);
/// The time for which no connections are accepted after that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes the text for a scrape.
pub type Scrape<'a> = dyn FnMut(Format) -> String + 'a;

/// The server.
pub struct Server {
    /// `None` when it ends.
    listener: Option<TcpListener>,
    /// Has a byte to read when a signal says that it should end.
    ended: UnixStream,
    connections: Vec<Connection>,
    /// Accepts nothing before this.
    pause: Option<Instant>,
}

struct Connection {
    stream: TcpStream,
    state: State,
    until: Instant,
}

enum State {
    /// The bytes of its request that have come.
    Reading(Vec<u8>),
    /// Its turn has not come.
    Waiting(Request),
    /// An answer, the bytes of it that are sent, and whether it has metrics.
    Writing(Answer),
    /// All is sent. A socket that is closed with unread bytes takes back what it has sent.
    Closing,
    Gone,
}

struct Answer {
    head: String,
    body: String,
    sent: usize,
}

impl Answer {
    /// The bytes to send next.
    fn rest(&self) -> &[u8] {
        let head = self.head.as_bytes();
        match head.get(self.sent..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => {
                let sent = self.sent.saturating_sub(head.len());
                self.body.as_bytes().get(sent..).unwrap_or_default()
            }
        }
    }

    fn has_metrics(&self) -> bool {
        !self.body.is_empty()
    }
}

impl Server {
    /// Opens the socket, and takes SIGTERM and SIGINT, which end the server.
    ///
    /// # Errors
    /// The reason for which it cannot listen there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (ended, signalled) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
        }
        Ok(Server {
            listener: Some(listener),
            ended,
            connections: Vec::new(),
            pause: None,
        })
    }

    /// The address with the port that the kernel chose, if none was asked for.
    ///
    /// # Errors
    /// The reason for which it is not known.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match &self.listener {
            Some(listener) => listener.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Answers until a signal ends it.
    ///
    /// # Errors
    /// A failure to wait for clients.
    pub fn run(mut self, scrape: &mut Scrape<'_>) -> io::Result<()> {
        while self.listener.is_some() || !self.connections.is_empty() {
            self.step(scrape)?;
        }
        Ok(())
    }

    /// Waits once, and does what there is to do.
    fn step(&mut self, scrape: &mut Scrape<'_>) -> io::Result<()> {
        self.begin_answers(scrape);
        let Ready {
            ended,
            accept,
            connections,
        } = self.wait()?;
        for (connection, ready) in self.connections.iter_mut().zip(connections) {
            if ready {
                connection.proceed();
            }
        }
        let now = Instant::now();
        for connection in &mut self.connections {
            if connection.until <= now {
                connection.expire(now);
            }
        }
        self.connections
            .retain(|connection| !matches!(connection.state, State::Gone));
        if accept {
            self.accept();
        }
        if ended {
            self.end();
        }
        Ok(())
    }

    /// Makes answers for those whose turn it is.
    fn begin_answers(&mut self, scrape: &mut Scrape<'_>) {
        let writes = Connection::writes_metrics;
        let mut writers = self.connections.iter().filter(|it| writes(it)).count();
        for connection in &mut self.connections {
            let State::Waiting(request) = connection.state else {
                continue;
            };
            if writers == WRITERS_MAX {
                break;
            }
            let mut body = scrape(request.format);
            let head = http::head(request.format, body.len());
            if request.head_only {
                body.clear();
            } else {
                writers += 1;
            }
            connection.answer(head, body);
        }
    }

    /// Waits until something can be done or a deadline has come.
    fn wait(&self) -> io::Result<Ready> {
        let now = Instant::now();
        let accepts = self.pause.is_none_or(|pause| pause <= now);
        let pause = self.pause.filter(|_| !accepts);
        let deadlines = self.connections.iter().map(|connection| connection.until);
        let next = deadlines.chain(pause).min();
        let timeout = next.map(|next| timespec(next.saturating_duration_since(now)));

        let mut waited = vec![PollFd::new(&self.ended, PollFlags::IN)];
        for connection in &self.connections {
            waited.push(PollFd::new(&connection.stream, connection.waits_for()));
        }
        let listener = self.listener.as_ref().filter(|_| accepts);
        waited.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = waited.iter().map(|waited| !waited.revents().is_empty());
        Ok(Ready {
            ended: ready.next().unwrap_or_default(),
            connections: ready.by_ref().take(self.connections.len()).collect(),
            accept: ready.next().unwrap_or_default(),
        })
    }

    /// Takes the connections that have come.
    fn accept(&mut self) {
        self.pause = None;
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => {
                    if self.connections.len() == CONNECTIONS_MAX && !self.make_room() {
                        return;
                    }
                    self.connections.extend(Connection::new(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It was given up already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.pause = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Drops the connection that has waited longest without a whole request, or has its answer.
    fn make_room(&mut self) -> bool {
        let idle = |connection: &Connection| {
            matches!(connection.state, State::Reading(_) | State::Closing)
        };
        match self.connections.iter().position(idle) {
            Some(place) => {
                self.connections.remove(place);
                true
            }
            None => false,
        }
    }

    /// Accepts nothing more, and lets answers come to an end; at a second signal, drops them.
    fn end(&mut self) {
        // The bytes only wake this up; a failure to read them ends it at once, which is well.
        let _ = self.ended.read(&mut [0; 16]);
        if self.listener.take().is_none() {
            self.connections.clear();
        }
        let until = Instant::now() + END_TIME;
        self.connections
            .retain(|connection| matches!(connection.state, State::Writing(_)));
        for connection in &mut self.connections {
            connection.until = connection.until.min(until);
        }
    }
}

/// Things to do.
struct Ready {
    ended: bool,
    accept: bool,
    /// For each connection, in their order.
    connections: Vec<bool>,
}

impl Connection {
    /// Begins to serve a client; `None` if its socket cannot be used.
    fn new(stream: TcpStream) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        Some(Connection {
            stream,
            state: State::Reading(Vec::new()),
            until: Instant::now() + READ_TIME,
        })
    }

    fn writes_metrics(&self) -> bool {
        matches!(&self.state, State::Writing(answer) if answer.has_metrics())
    }

    fn waits_for(&self) -> PollFlags {
        match self.state {
            State::Reading(_) | State::Closing => PollFlags::IN,
            State::Writing(_) => PollFlags::OUT,
            State::Waiting(_) | State::Gone => PollFlags::empty(),
        }
    }

    /// Reads or writes what is possible now.
    fn proceed(&mut self) {
        let done = match &mut self.state {
            State::Reading(_) => self.read(),
            State::Writing(_) => self.write(),
            State::Closing => self.discard(),
            // Its client has gone.
            State::Waiting(_) | State::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        };
        match done {
            Err(error) if is_transient(&error) => {}
            Err(_) => self.state = State::Gone,
            Ok(()) => {}
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let State::Reading(bytes) = &mut self.state else {
            return Ok(());
        };
        let mut chunk = [0; 2048];
        let length = self.stream.read(&mut chunk)?;
        if length == 0 {
            self.state = State::Gone;
            return Ok(());
        }
        let room = HEAD_MAX.saturating_sub(bytes.len());
        bytes.extend(chunk.iter().take(length.min(room)));
        match http::read(bytes) {
            Ok(None) => {}
            Ok(Some(request)) => {
                self.state = State::Waiting(request);
                self.until = Instant::now() + WRITE_TIME;
            }
            Err(refusal) => self.refuse(refusal),
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.answer(http::refuse(refusal), String::new());
    }

    /// Begins to send an answer.
    fn answer(&mut self, head: String, body: String) {
        self.state = State::Writing(Answer {
            head,
            body,
            sent: 0,
        });
        self.until = Instant::now() + WRITE_TIME;
        self.proceed();
    }

    fn write(&mut self) -> io::Result<()> {
        while let State::Writing(answer) = &mut self.state {
            let rest = answer.rest();
            if rest.is_empty() {
                self.stream.shutdown(Shutdown::Write)?;
                self.state = State::Closing;
                self.until = Instant::now() + CLOSE_TIME;
                break;
            }
            match self.stream.write(rest)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => answer.sent += sent,
            }
        }
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        let mut chunk = [0; 2048];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Its time is over.
    fn expire(&mut self, now: Instant) {
        if matches!(&self.state, State::Reading(bytes) if !bytes.is_empty()) {
            self.refuse(Refusal::Timeout);
            self.until = now + CLOSE_TIME;
        } else {
            self.state = State::Gone;
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn timespec(time: Duration) -> Timespec {
    // A little later than the deadline rather than earlier, which would mean to wait twice.
    let time = time + Duration::from_millis(1);
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use std::thread;

    /// The greatest number of bytes that a socket takes of an answer that nobody reads, and more.
    const LONG: usize = 16 << 20;

    /// A server in a thread of its own, and its address. It ends with the test program.
    fn serve(length: usize) -> SocketAddr {
        let server = Server::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.address().unwrap();
        let text = "x 1\n".repeat(length / 4);
        thread::spawn(move || server.run(&mut |_| text.clone()));
        address
    }

    fn client(address: SocketAddr, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    const GET: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn answers() {
        let address = serve(400);
        let text = answer(client(address, GET));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 400"), "{head}");
        assert_eq!(body, "x 1\n".repeat(100));

        let text = answer(client(address, &GET.replace("GET", "HEAD")));
        assert!(text.contains("Content-Length: 400"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");

        // In pieces, and with a body that nobody asked for.
        let mut slow = client(address, "GET /met");
        thread::sleep(Duration::from_millis(20));
        slow.write_all(b"rics HTTP/1.1\r\nContent-Length: 9\r\n\r\nsome body")
            .unwrap();
        assert!(answer(slow).starts_with("HTTP/1.1 200 OK\r\n"));

        for (request, status) in [
            ("GET /other HTTP/1.1\r\n\r\n", "404"),
            ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
            ("nonsense\r\n\r\n", "400"),
            (
                &format!("GET /metrics HTTP/1.1\r\na: {}", "b".repeat(9000)),
                "431",
            ),
        ] {
            let text = answer(client(address, request));
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        }
    }

    #[test]
    fn clients_that_say_nothing_keep_nobody_out() {
        let address = serve(400);
        let silent: Vec<_> = (0..CONNECTIONS_MAX * 3)
            .map(|_| client(address, "G"))
            .collect();
        for _ in 0..3 {
            assert!(answer(client(address, GET)).starts_with("HTTP/1.1 200 OK\r\n"));
        }
        // The first were dropped for the last ones.
        let mut first = silent.into_iter().next().unwrap();
        assert_eq!(first.read(&mut [0; 16]).unwrap_or_default(), 0);
    }

    #[test]
    fn a_request_that_does_not_come_to_an_end_is_refused() {
        let address = serve(400);
        let (begun, silent) = (
            client(address, "GET /metrics HTTP/1.1\r\n"),
            client(address, ""),
        );
        let text = answer(begun);
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
        // One that has said nothing gets nothing.
        assert_eq!(answer(silent), "");
    }

    #[test]
    fn clients_that_do_not_read_wait_for_each_other() {
        let address = serve(LONG);
        let lazy: Vec<_> = (0..WRITERS_MAX).map(|_| client(address, GET)).collect();
        // All of them have got something.
        for stream in &lazy {
            assert!(stream.peek(&mut [0; 16]).unwrap() > 0);
        }
        // Short answers pass them.
        let other = client(address, "GET / HTTP/1.1\r\n\r\n");
        assert!(answer(other).starts_with("HTTP/1.1 404 "));
        let next = client(address, GET);
        let mut lines = 0;
        let first = lazy.into_iter().next().unwrap();
        for line in io::BufReader::new(first).lines() {
            line.unwrap();
            lines += 1;
        }
        assert!(lines > LONG / 4, "{lines}");
        assert!(answer(next).ends_with("x 1\n"));
    }
}

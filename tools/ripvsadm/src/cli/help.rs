// SPDX-License-Identifier: GPL-2.0

//! The text of `-h` and `-v`.

const USAGE: &str = "\
usage: ripvsadm COMMAND [SERVICE] [OPTIONS]

commands
  -A, --add-service        add a service                 SERVICE [service options]
  -E, --edit-service       change a service              SERVICE [service options]
  -D, --delete-service     delete a service              SERVICE
  -C, --clear              delete all services
  -a, --add-server         add a real server             SERVICE -r SERVER [server options]
  -e, --edit-server        change a real server          SERVICE -r SERVER [server options]
  -d, --delete-server      delete a real server          SERVICE -r SERVER
  -L, -l, --list           list the table                [SERVICE] [list options]
  -Z, --zero               zero the counters             [SERVICE]
  -S, --save               print the table as commands   [-n]
  -R, --restore            run the commands on standard input, a line each; # is a comment
      --set TCP FIN UDP    set timeouts, in seconds; 0 keeps one
      --start-daemon ROLE  synchronise connections, ROLE is master or backup [daemon options]
      --stop-daemon ROLE   end that
  top                      the table, live; what is busiest comes first [top options]
  -h, --help               this text
  -v, --version            the version
Without a command the table is listed.

SERVICE is one of
  -t, --tcp-service HOST:PORT     -u, --udp-service HOST:PORT     --sctp-service HOST:PORT
  -f, --fwmark-service MARK [-6]  what carries a firewall mark; -6 for IPv6
HOST is a name or an address, an IPv6 address with a port is [ADDRESS]:PORT,
PORT is a number or a name.

service options
  -s, --scheduler NAME     rr, wrr, lc, wlc (the default), lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh
  -p, --persistent [SEC]   keep clients with their server for so long (360)
  -M, --netmask MASK       which clients count as one: a mask for IPv4, a prefix length for IPv6
      --pe NAME            persistence engine: sip
  -b, --sched-flags LIST   sh-fallback,sh-port / mh-fallback,mh-port / flag-1,flag-2,flag-3
  -o, --ops                schedule each packet anew (UDP)

server options
  -r, --real-server HOST[:PORT]   only -m, and -f services, can use another port
  -g, --gatewaying         direct routing (the default)
  -m, --masquerading       network address translation
  -i, --ipip               tunnelling
      --tun-type TYPE      ipip (the default), gue or gre
      --tun-port PORT      port of a gue tunnel
      --tun-nocsum, --tun-csum, --tun-remcsum
                           checksum of gue (all three) and gre (the first two) tunnels
  -w, --weight N           share of new connections (1); 0 for none
  -x, --u-threshold N      most connections; 0 for no limit
  -y, --l-threshold N      take new ones again below this

list options
  -n, --numeric            numbers instead of names
  -c, --connection         connections      --timeout          timeouts
      --daemon             daemons          --stats            totals
      --rate               rates            --exact            numbers in full
      --thresholds         thresholds       --persistent-conn  persistent connections
      --tun-info           tunnels          --nosort           in the kernel's order
      --json               all of it for programs: numbers in full, rates a second

daemon options
      --mcast-interface NAME (eth0)   --syncid N (0)           --sync-maxlen BYTES
      --mcast-group ADDRESS           --mcast-port PORT        --mcast-ttl N

top options
  -d, --delay SECONDS (2)  -o, --sort cps|inpps|outpps|inbps|outbps|active|conns|name (cps)
  -c, --count N            end after N looks; elsewhere than at a terminal it is one

Exit codes: 0 done; 1 nothing to list; 2 a wrong argument, no IPVS or no privilege; 255 refused
by the kernel, or no command line at all.
";

/// The text of `-h`.
pub fn usage() -> String {
    format!("{}{USAGE}", version())
}

/// The text of `-v`.
pub fn version() -> String {
    format!(
        "ripvsadm {} (grammar of ipvsadm 1.31)\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::word::Word;
    use lexopt::Arg;

    const MANUAL: &str = include_str!("../../ripvsadm.8");
    const BASH: &str = include_str!("../../completions/ripvsadm.bash");
    const FISH: &str = include_str!("../../completions/ripvsadm.fish");
    const ZSH: &str = include_str!("../../completions/_ripvsadm");

    /// The options that a text has, each once.
    fn options(text: &str) -> Vec<&str> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut options: Vec<&str> = words
            .filter(|word| match word.strip_prefix("--") {
                Some(name) => name.len() > 1,
                None => word.len() == 2 && word.starts_with('-') && *word != "--",
            })
            .collect();
        options.sort_unstable();
        options.dedup();
        options
    }

    /// Whether the grammar, or that of `top`, has an option.
    fn known(option: &str) -> bool {
        let word = match option.strip_prefix("--") {
            Some(name) => Word::recognise(&Arg::Long(name)),
            None => option
                .chars()
                .nth(1)
                .and_then(|letter| Word::recognise(&Arg::Short(letter))),
        };
        // Those that only top has.
        word.is_some() || ["--delay", "--count"].contains(&option)
    }

    /// The options that fish is told of, whose dashes are its own: `-s A -l add-service`.
    fn options_for_fish() -> Vec<String> {
        let mut options = Vec::new();
        for line in FISH.lines().filter(|line| line.starts_with("complete ")) {
            // Behind the condition, which has options of its own, and before the words for a reader.
            let line = line.rsplit_once(" -d ").map_or(line, |(line, _)| line);
            let line = line.rsplit_once("' ").map_or(line, |(_, line)| line);
            let words: Vec<&str> = line.split(' ').collect();
            for pair in words.windows(2) {
                match pair {
                    ["-s", letter] => options.push(format!("-{letter}")),
                    ["-l", name] => options.push(format!("--{name}")),
                    _ => {}
                }
            }
        }
        options
    }

    #[test]
    fn all_that_is_told_is_there_and_told_everywhere() {
        let told = options(USAGE);
        assert!(told.len() > 80, "{told:?}");
        let fonts = ["\\fB", "\\fI", "\\fR"];
        let plain = fonts
            .iter()
            .fold(MANUAL.to_owned(), |text, font| text.replace(font, " "));
        let manual = plain.replace("\\-", "-");
        let fish = options_for_fish();
        let fish: Vec<&str> = fish.iter().map(String::as_str).collect();
        for option in &told {
            assert!(known(option), "{option}");
            for (place, options) in [
                ("ripvsadm.8", options(&manual)),
                ("the completion for bash", options(BASH)),
                ("the completion for fish", fish.clone()),
                ("the completion for zsh", options(ZSH)),
            ] {
                assert!(options.contains(option), "{place} has no {option}");
            }
        }
        for option in fish {
            assert!(known(option), "the completion for fish has {option}");
        }
    }
}

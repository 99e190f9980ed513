// flowrelay send
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/answer.hpp"
#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/event_builder.hpp"
#include "cli/event_stream.hpp"
#include "cli/exchange.hpp"
#include "cli/progress.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

namespace {

constexpr std::size_t longest_body = 16 << 20;  // the maximum of ingest.max_event_size

struct SendOptions {
    EventOptions event;
    std::string token_file;
    std::string wait = "2s";
    bool quiet = false;
    bool json = false;
    bool from_flags = false;
};

/// Prints a line. Write errors are checked at the end, because sending the events comes first.
void say(std::FILE* out, std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), out);
    std::fputc('\n', out);
}

void say_json(std::string_view text) {
    if (::isatty(STDOUT_FILENO) != 0) {
        say(stdout, escape_json(text));
    } else {
        say(stdout, text);
    }
}

/// Reads --body - and --body @FILE, and removes trailing line breaks, like $(...) in a shell.
Result<std::string> read_body(const std::string& from) {
    const bool is_file = from.starts_with('@');
    const std::string path = from.substr(1);
    const int fd = is_file ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd < 0) return system_error(errno, "read", path + " (a text that begins with @ is @@...)");
    const std::unique_ptr<const int, void (*)(const int*)> closing(
        is_file ? &fd : nullptr, [](const int* open) { ::close(*open); });
    std::string body;
    std::array<char, 65536> chunk;
    for (;;) {
        const ssize_t got = ::read(fd, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(errno, "read", is_file ? path : "the standard input");
        if (got == 0) break;
        body.append(chunk.data(), static_cast<std::size_t>(got));
        if (body.size() > longest_body) {
            return Error{make_error_code(boost::system::errc::message_size),
                         "the body is over 16 MiB"};
        }
    }
    while (body.ends_with('\n')) body.pop_back();
    return body;
}

ExitCode send_one(SendOptions& options, const std::string& socket, Milliseconds wait) {
    std::optional<Secret> token;
    if (!options.token_file.empty()) {
        app::SourceConfig source;
        source.name = "--token-file";
        source.flow_token_file = options.token_file;
        try {
            token = app::load_token(source);
        } catch (const app::ConfigError& e) {
            complain(e.what());
            return ExitCode::bad_config;
        }
    }
    if (options.event.body && options.event.body->starts_with("@@")) {
        options.event.body->erase(0, 1);  // "@@text" stands for "@text"
    } else if (options.event.body == "-" ||
               (options.event.body && options.event.body->starts_with('@'))) {
        auto body = read_body(*options.event.body);
        if (!body) {
            complain(body.error().message);
            if (body.error().code == boost::system::errc::message_size) return ExitCode::rejected;
            return options.event.body == "-" ? ExitCode::try_later : ExitCode::usage;
        }
        options.event.body = std::move(*body);
    }
    auto event = build_event(options.event, token);
    if (!event) {
        complain(event.error().message);
        return ExitCode::usage;
    }
    *event += '\n';
    const auto text = exchange(socket, *event, wait);
    if (!text) {
        complain(text.error().message);
        return exit_code_of(text.error());
    }
    const Answer answer = parse_answer(*text);
    if (options.json) {
        say_json(*text);
    } else if (answer.accepted && !options.quiet) {
        say(stdout, describe(answer));
    }
    if (!answer.accepted) complain(describe(answer));
    return exit_code_of(answer);
}

void print_counts(std::FILE* out, const StreamResult& result) {
    const StreamCounts& counts = result.counts;
    std::string text = fmt::format("{} accepted", counts.accepted);
    if (counts.duplicates > 0) text += " (" + app::counted(counts.duplicates, "duplicate") + ")";
    if (counts.filtered > 0) text += fmt::format(" ({} of them filtered)", counts.filtered);
    if (counts.rejected > 0) text += fmt::format(", {} rejected", counts.rejected);
    if (counts.refused > 0) text += fmt::format(", {} refused for now", counts.refused);
    if (counts.unanswered > 0) {
        text +=
            fmt::format(", {} without an answer (they may have been accepted)", counts.unanswered);
    }
    if (result.stopped_at > 0) {
        text += fmt::format("; not sent: line {} and what follows it", result.stopped_at);
    }
    say(out, text);
}

/// Returns the rest of a regular file on stdin, in bytes; 0 if stdin is something else.
std::uint64_t input_size() {
    struct stat status{};
    if (::fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
    const off_t at = ::lseek(STDIN_FILENO, 0, SEEK_CUR);
    return at >= 0 && at < status.st_size ? static_cast<std::uint64_t>(status.st_size - at) : 0;
}

ExitCode send_lines(const SendOptions& options, const std::string& socket, Milliseconds wait) {
    if (::isatty(STDIN_FILENO) != 0) {
        complain(
            "nothing to send: describe an event with options (flowrelay send --help), or give "
            "events on stdin, one JSON object a line");
        return ExitCode::usage;
    }
    Progress bar(!options.quiet, input_size(), MonoTime::clock::now());
    StreamHooks hooks;
    hooks.ticks = bar.active();
    hooks.progress = [&](std::uint64_t events, std::uint64_t bytes) {
        bar.update(events, bytes, MonoTime::clock::now());
    };
    bool told_later = false;
    hooks.answered = [&](std::uint64_t line, const Answer& answer, std::string_view text) {
        if (options.json) say_json(text);
        if (answer.accepted) return;
        // When the queue is full, thousands of events in flight are refused for the same reason.
        const bool later = exit_code_of(answer) == ExitCode::try_later;
        if (later && std::exchange(told_later, true)) return;
        bar.clear();
        complain(fmt::format("line {}: {}", line, describe(answer)));
    };
    const StreamResult result = send_stream(STDIN_FILENO, socket, wait, hooks);
    bar.clear();
    if (!result.problem.empty()) complain(result.problem);
    const StreamCounts& counts = result.counts;
    const bool nothing =
        counts.accepted + counts.rejected + counts.refused + counts.unanswered == 0;
    if (nothing && result.exit_code == ExitCode::ok) {
        complain("nothing was sent: there was no event on stdin");
    }
    const bool bare = options.json || options.quiet;
    if (!bare || result.exit_code != ExitCode::ok) print_counts(bare ? stderr : stdout, result);
    return result.exit_code;
}

/// Adds the options that describe an event. If one is given, `send` sends that event and not stdin.
std::vector<Option> add_event_options(Command send, SendOptions& options) {
    EventOptions& event = options.event;
    std::vector<Option> all;
    const auto add = [&](const char* names, std::optional<std::string>& value, const char* help,
                         const char* type) {
        all.push_back(send.add_option(names, value, help).type_name(type).group("Event"));
    };
    add("--source", event.source, "The source, by its name in the configuration", "NAME");
    all.push_back(send.add_option("--token-file", options.token_file,
                                  "Instead of --source: a file of mode 0600 with the flow_token")
                      .type_name("FILE")
                      .group("Event"));
    add("--thread", event.thread, "Your own id of the item (external_thread_id)", "ID");
    add("--thread-id", event.thread_id, "The server's id of the thread, instead of --thread", "ID");
    add("--title", event.title, "What happened: \"build failed\"", "TEXT");
    add("--author", event.author, "Who did it", "NAME");
    add("--event", event.event, "activity (the default) or discussion", "KIND");
    add("--body", event.body, "More about it, in HTML; - reads it from stdin, @FILE from a file",
        "TEXT");
    add("--status", event.status,
        "State of the item; red, green, yellow, cyan, orange, grey, black, lime, purple or blue",
        "COLOR:TEXT");
    add("--thread-title", event.thread_title, "Title of the item; --title unless given", "TEXT");
    add("--thread-body", event.thread_body, "Description of the item, in HTML", "TEXT");
    add("--url", event.url, "The address of the item", "URL");
    all.push_back(
        send.add_option("--field", event.fields, "A property of the item; may be repeated")
            .type_name("LABEL=VALUE")
            .one_value()
            .group("Event"));
    all.push_back(send.add_option("--tag", event.tags, "A tag; may be repeated")
                      .type_name("TAG")
                      .one_value()
                      .group("Event"));
    add("--uuid", event.uuid, "Your own unique id: sending the event again is then harmless",
        "UUID");
    add("--expires-in", event.expires_in,
        "Do not deliver it later than this: 90s, 2h, 1d, or seconds", "DURATION");
    return all;
}

}  // namespace

void add_send_command(Command app, Context& context) {
    const Command send = app.add_subcommand("send", "Send events to flowrelayd");
    const auto options = std::make_shared<SendOptions>();
    const std::vector<Option> describing = add_event_options(send, *options);
    send.add_option("--wait", options->wait,
                    "Maximum wait for an answer; with many events, for the next answer (2s)")
        .type_name("DURATION");
    send.add_flag("-q,--quiet", options->quiet, "Print errors only");
    send.add_flag("--json", options->json, "Print the answers of flowrelayd, one per line");
    send.footer(
        "Without options that describe an event, events are read from stdin: one JSON object per "
        "line.\n"
        "They are accepted once they are safely on disk.\n"
        "\n"
        "  flowrelay send --source ci --thread build-42 --title \"build failed\" \\\n"
        "      --status red:failed --field Branch=main --body - < build.log\n"
        "  flowrelay send < events.ndjson\n"
        "\n"
        "Exit status: 0 accepted, 64 wrong options, 65 rejected, 69 flowrelayd does not run,\n"
        "75 try again later, 77 not permitted, 78 the token file can't be used.");
    send.callback([options, describing, &context] {
        context.run = [options, describing, &context] {
            context.output_counts = false;
            const auto wait = parse_duration(options->wait);
            if (!wait || *wait <= Milliseconds(0)) {
                complain("--wait: write a number and a unit, like 500ms or 10s");
                return ExitCode::usage;
            }
            const bool one = std::ranges::any_of(
                describing, [](const Option& option) { return option.given(); });
            // The reader of stdout may be gone. The exit status must still tell whether events were
            // accepted, so go on. A reader of --json answers that closes its end stops the sending.
            if (one || !options->json) std::signal(SIGPIPE, SIG_IGN);
            if (one) return send_one(*options, context.ingest(), *wait);
            return send_lines(*options, context.ingest(), *wait);
        };
    });
}

}  // namespace flowrelay::cli

// From the bytes a producer hands in to an event that may be queued.
//
// The rules are those of the API's /messages call (https://www.flowdock.com/api/messages): `event`,
// `title`, `author.name`, one of `external_thread_id` and `thread_id`, and when there is a `thread`
// its title. On top come the relay's own members: `source` in the place of `flow_token`, and
// `relay`, which is not sent.
//
// The producer's bytes are kept: members are cut out and put in, nothing is spelled anew; only
// white space between top-level members goes. Names count as what they mean, however they are
// escaped. Members that the relay does not know are passed on untouched, also when they are there
// twice. A member that it reads and that is null counts as absent.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Why a submission is not accepted. Names and meanings are the protocol's (docs/protocol.md).
enum class RejectCode {
    invalid_json,      ///< not JSON, or not UTF-8
    invalid_event,     ///< JSON, but against the rules; `errors` names the fields
    too_large,         ///< over ingest.max_event_size
    unknown_source,    ///< no source of this name; or an unknown token where those are refused
    token_gone,        ///< the destination answered 410 for this token
    queue_full,        ///< try again after retry_after
    token_queue_full,  ///< this token has as many queued events as it may: try again
    too_many_tokens,   ///< this token is new, and as many that are no source's are in use as may be
    not_allowed,       ///< this producer may not use this source
    shutting_down,     ///< the daemon is stopping: try again
    storage_failed,    ///< the disk refused: nothing was accepted

    // Of connections and requests. Their answers have an HTTP status, and bad_request for who does
    // not speak HTTP either; counters and log lines have these names.
    bad_request,       ///< neither of the two protocols, or broken HTTP
    not_found,         ///< another path than /messages
    wrong_method,      ///< not POST
    unsupported_type,  ///< another type of body, or a compressed one
};

inline constexpr std::size_t reject_codes =
    static_cast<std::size_t>(RejectCode::unsupported_type) + 1;

/// "invalid_json", ...: the word of the protocol.
std::string_view to_string(RejectCode code) noexcept;

/// Messages by field, as the API has them: {"external_thread_id": ["or thread_id is required"]}.
using FieldErrors = std::map<std::string, std::vector<std::string>>;

struct Rejection {
    RejectCode code;
    std::string message;  ///< a sentence; for invalid_event all of `errors`, cut off when many
    FieldErrors errors;
    std::optional<Milliseconds> retry_after;
};

/// For results; see throw_no_value().
[[noreturn]] inline void throw_exception_from_error(const Rejection&,
                                                    const boost::source_location&) {
    throw_no_value();
}

/// What a source adds to its events where they say nothing themselves: each a whole JSON value by
/// the name of a top-level member ("author" -> {"name":"CI"}). Members that the relay reads itself
/// (flow_token, source, uuid, relay, external_thread_id, thread_id) can't have defaults.
using EventDefaults = std::map<std::string, std::string>;

/// Whom an event is for: by the name of a source, or by its own token.
struct SourceName {
    std::string name;
};
using Addressee = std::variant<SourceName, Secret>;

/// What a text was handed in as; its errors say what usually goes wrong there.
enum class TextForm {
    line,  ///< a line of NDJSON
    body,  ///< a request's whole body, or an element of an array in it
};

/// A submission that is well-formed JSON of the right outer shape. What it lacks may still come
/// from its source's defaults, so the rules about contents are checked by complete().
class Submission {
public:
    /// Reads one JSON object, perhaps after a byte order mark; `json` is not needed afterwards.
    /// What counts as JSON: json::check(). Rejects: invalid_json (syntax, UTF-8, depth over 64, not
    /// an object), invalid_event (a member that the relay reads is twice there; uuid, relay, source
    /// or flow_token is not what it has to be; not exactly one of source and flow_token). All
    /// problems are named at once, those of the contents as well unless a source's defaults could
    /// still mend them. `query_token`, if given, is the flow_token of a request's query and stands
    /// in for the member; when both are there they have to be the same. A token: 1 to 256
    /// characters of visible ASCII.
    static boost::system::result<Submission, Rejection> parse(
        std::string_view json, std::optional<Secret> query_token = std::nullopt,
        TextForm form = TextForm::line);

    Submission(Submission&&) noexcept;
    Submission& operator=(Submission&&) noexcept;
    ~Submission();

    const Addressee& addressee() const noexcept;

    /// Returns a copy, to be completed with the defaults of another source.
    Submission copy() const;

    struct Contents {
        std::string body;    ///< one JSON object without flow_token, source, uuid and relay
        std::string thread;  ///< "e:" + external_thread_id, or else "t:" + thread_id
        std::string uuid;    ///< the producer's own; empty: the relay makes one
        std::optional<Milliseconds> expires_in;  ///< relay.expires_in, > 0, <= max_duration
    };

    /// Adds the defaults for absent members, and for a source `event: "activity"` where neither
    /// says otherwise; checks the rules, and gives what is to be stored. Rejects: invalid_event. A
    /// thread id may be a string or an integer, which counts as it is spelled. Consumes the
    /// submission.
    boost::system::result<Contents, Rejection> complete(const EventDefaults& defaults) &&;

private:
    struct Parsed;
    explicit Submission(std::unique_ptr<Parsed> parsed) noexcept;
    std::unique_ptr<Parsed> parsed_;
};

/// The most that a uuid may have: 1 to 128 characters of visible ASCII (0x21 to 0x7E, without
/// the double quote and the backslash), since it travels in a header as well.
inline constexpr std::size_t max_uuid_length = 128;

/// The most that a thread id may have, in bytes.
inline constexpr std::size_t max_thread_length = 1024;

/// The id in a thread key, as people know it.
constexpr std::string_view thread_label(std::string_view thread_key) noexcept {
    return thread_key.substr(thread_key.size() < 2 ? 0 : 2);
}

/// The request body: `{"flow_token":…,"uuid":…,` and then the members of a stored body, which is
/// one JSON object without these two. `out` is appended to. The token is JSON-escaped; a uuid has
/// nothing to escape (max_uuid_length).
void append_post_body(std::string& out, const Secret& token, std::string_view uuid,
                      std::string_view stored_body);

/// append_post_body() without the copy of the members: appends what comes before them, and returns
/// them, as a part of `stored_body`.
std::string_view append_post_begin(std::string& out, const Secret& token, std::string_view uuid,
                                   std::string_view stored_body);

}  // namespace flowrelay::core

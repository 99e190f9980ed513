// Parses the bytes of a producer into an event that can be queued.
//
// The rules are those of the API's /messages call (https://www.flowdock.com/api/messages): `event`,
// `title`, `author.name`, one of `external_thread_id` and `thread_id`, and when there is a `thread`
// its title. The relay adds two members of its own: `source`, which can replace `flow_token`, and
// `relay`, which is not sent.
//
// The producer's bytes are kept: members are removed and inserted, but not written again; only
// white space between top-level members is dropped. Names are compared after resolving escapes.
// Members that the relay does not know are passed on unchanged, even if they occur twice. A member
// that the relay reads counts as absent if it is null.
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

/// The reason for refusing a submission. Names and meanings are part of the protocol
/// (docs/protocol.md).
enum class RejectCode {
    invalid_json,      ///< not JSON, or not UTF-8
    invalid_event,     ///< JSON, but against the rules; `errors` names the fields
    too_large,         ///< over ingest.max_event_size
    unknown_source,    ///< no source has this name; or unknown tokens are refused
    token_gone,        ///< the destination answered 410 for this token
    queue_full,        ///< try again after retry_after
    token_queue_full,  ///< the token's limit of queued events is reached: try again
    too_many_tokens,   ///< a new token, and the limit of tokens without a source is reached
    not_allowed,       ///< this producer may not use this source
    shutting_down,     ///< the daemon is stopping: try again
    storage_failed,    ///< the disk refused: nothing was accepted

    // Problems of connections and requests. Answers have an HTTP status instead of these names, or
    // bad_request without HTTP; counters and log lines use these names.
    bad_request,       ///< neither of the two protocols, or broken HTTP
    not_found,         ///< another path than /messages
    wrong_method,      ///< not POST
    unsupported_type,  ///< another type of body, or a compressed one
};

inline constexpr std::size_t reject_codes =
    static_cast<std::size_t>(RejectCode::unsupported_type) + 1;

/// Returns the word of the protocol: "invalid_json", ...
std::string_view to_string(RejectCode code) noexcept;

/// Messages by field, as in the API: {"external_thread_id": ["or thread_id is required"]}.
using FieldErrors = std::map<std::string, std::vector<std::string>>;

struct Rejection {
    RejectCode code;
    std::string message;  ///< a sentence; for invalid_event all of `errors`, shortened if long
    FieldErrors errors;
    std::optional<Milliseconds> retry_after;
};

/// Called when a result without a value is read; see throw_no_value().
[[noreturn]] inline void throw_exception_from_error(const Rejection&,
                                                    const boost::source_location&) {
    throw_no_value();
}

/// Members that a source adds to its events if they are absent: a JSON value by the name of a
/// top-level member ("author" -> {"name":"CI"}). Members that address or identify the event
/// (flow_token, source, uuid, relay, external_thread_id, thread_id) can't have defaults.
using EventDefaults = std::map<std::string, std::string>;

/// The addressee of an event: the name of a source, or a token.
struct SourceName {
    std::string name;
};
using Addressee = std::variant<SourceName, Secret>;

/// The form in which a text was submitted. It determines the advice in error messages.
enum class TextForm {
    line,  ///< a line of NDJSON
    body,  ///< the whole body of a request, or an element of an array in it
};

/// A submission that is well-formed JSON with a valid addressee. Missing members may still come
/// from the defaults of its source, so complete() checks the rules about contents.
class Submission {
public:
    /// Parses one JSON object, optionally after a byte order mark; `json` is not needed afterwards.
    /// json::check() defines JSON. Rejects: invalid_json (syntax, UTF-8, depth over 64, not an
    /// object), invalid_event (a member that the relay reads occurs twice; uuid, relay, source or
    /// flow_token is invalid; not exactly one of source and flow_token). Reports all problems at
    /// once, including those of the contents if there is no source whose defaults could fix them.
    /// `query_token` is the flow_token in the query of a request and replaces the member; if both
    /// are there, they must be equal. A token has 1 to 256 characters of visible ASCII.
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
        std::string uuid;    ///< from the producer; empty: the relay generates one
        std::optional<Milliseconds> expires_in;  ///< relay.expires_in, > 0, <= max_duration
    };

    /// Adds the defaults for absent members, and for a source `event: "activity"` if both lack
    /// `event`. Checks the rules, and returns the contents to store. Rejects: invalid_event. A
    /// thread id may be a string or an integer, which is compared as it is written. Consumes the
    /// submission.
    boost::system::result<Contents, Rejection> complete(const EventDefaults& defaults) &&;

private:
    struct Parsed;
    explicit Submission(std::unique_ptr<Parsed> parsed) noexcept;
    std::unique_ptr<Parsed> parsed_;
};

/// Maximum length of a uuid. It has 1 to 128 characters of visible ASCII (0x21 to 0x7E, without the
/// double quote and the backslash), since it is also sent in a header.
inline constexpr std::size_t max_uuid_length = 128;

/// Maximum length of a thread id, in bytes.
inline constexpr std::size_t max_thread_length = 1024;

/// Returns the id in a thread key, as users know it.
constexpr std::string_view thread_label(std::string_view thread_key) noexcept {
    return thread_key.substr(thread_key.size() < 2 ? 0 : 2);
}

/// Appends the request body to `out`: `{"flow_token":…,"uuid":…,` and the members of a stored body,
/// which is one JSON object without these two. Escapes the token; a uuid has nothing to escape
/// (max_uuid_length).
void append_post_body(std::string& out, const Secret& token, std::string_view uuid,
                      std::string_view stored_body);

/// Like append_post_body(), but does not copy the members: appends only the part before them, and
/// returns them as a part of `stored_body`.
std::string_view append_post_begin(std::string& out, const Secret& token, std::string_view uuid,
                                   std::string_view stored_body);

}  // namespace flowrelay::core

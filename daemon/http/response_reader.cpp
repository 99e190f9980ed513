#include "flowrelay/http/response_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/assert.hpp>
#include <optional>

#include "flowrelay/base/ascii.hpp"
#include "response_head.hpp"

namespace flowrelay::http {

namespace {

// Empty lines accepted before a status line: some servers end a body with more line ends than its
// Content-Length includes.
constexpr int max_empty_lines = 4;

enum class Stage {
    status_line,
    fields,
    counted,     ///< `left` bytes of the body
    chunk_size,  ///< the line with the size of a chunk
    chunk,       ///< `left` bytes of the chunk
    chunk_end,   ///< the empty line after a chunk
    trailers,    ///< trailer lines up to an empty one
    until_end,   ///< the body, until the connection ends
};

/// Parses the size of a chunk and ignores its extensions. Returns nothing if it is not a valid
/// size.
std::optional<std::uint64_t> chunk_size(std::string_view line, ResponseHead& head) {
    constexpr std::size_t max_digits = 15;
    line = line.substr(0, line.find(';'));
    std::uint64_t size = 0;
    std::size_t digits = 0;
    for (; digits < line.size() && digits <= max_digits; ++digits) {
        const auto digit = ascii::hex_digit(line[digits]);
        if (!digit) break;
        size = size * 16 + *digit;
    }
    const std::string_view rest = line.substr(digits);
    if (digits == 0 || digits > max_digits) return std::nullopt;
    if (rest.find_first_not_of(" \t") != std::string_view::npos) return std::nullopt;
    if (!rest.empty()) head.note_quirk("a blank follows the size of a chunk");
    return size;
}

}  // namespace

struct ResponseReader::Impl {
    Impl(ResponseLimits l, std::span<const std::string_view> wanted) : limits(l), head(wanted) {}

    ResponseLimits limits;
    ResponseHead head;
    ResponseStatus status = ResponseStatus::need_more;
    Stage stage = Stage::status_line;
    bool head_only = false;
    bool started = false;
    bool has_head = false;
    bool garbled = false;  // the body is not framed as the head says
    bool interim = false;  // an interim response has come
    int empty_lines = 0;   // before the status line
    std::uint64_t left = 0;
    std::size_t lines_size = 0;  // of all heads so far, or of the trailers
    std::string line;            // the part of a line received so far
    std::string body;
    std::uint64_t body_size = 0;  // including what was discarded
    std::string error;

    void begin_message();
    std::size_t put(std::string_view bytes);
    std::size_t put_line(std::string_view bytes);
    void take_line(std::string_view text);
    void take_status_line(std::string_view text);
    void take_chunk_size(std::string_view text);
    std::size_t put_body(std::string_view bytes);
    void end_head();
    void fail(std::string_view why);
    void fail_syntax(std::string_view what);
};

void ResponseReader::Impl::begin_message() {
    head.clear();
    stage = Stage::status_line;
    has_head = garbled = false;
    empty_lines = 0;
    left = 0;
    line.clear();
    body.clear();
    if (body.capacity() > kept_body_capacity) body.shrink_to_fit();
    body_size = 0;
}

void ResponseReader::Impl::fail(std::string_view why) {
    status = ResponseStatus::broken;
    error = why;
}

void ResponseReader::Impl::fail_syntax(std::string_view what) {
    garbled = has_head;
    if (has_head) head.note_quirk(what);
    fail(fmt::format("not valid HTTP: {}", what));
}

std::size_t ResponseReader::Impl::put(std::string_view bytes) {
    switch (stage) {
        case Stage::counted:
        case Stage::chunk:
        case Stage::until_end:
            return put_body(bytes);
        default:
            return put_line(bytes);
    }
}

// Consumes bytes up to the end of a line.
std::size_t ResponseReader::Impl::put_line(std::string_view bytes) {
    constexpr std::string_view protocol = "HTTP/";
    const std::size_t end = bytes.find('\n');
    const std::size_t used = end == std::string_view::npos ? bytes.size() : end + 1;
    lines_size += used;
    if (lines_size > limits.head) {
        if (has_head) {
            fail_syntax("the line of a chunk or a trailer is too long");
        } else {
            fail(interim ? "too many interim responses" : "the head is too long");
        }
        return used;
    }
    if (end == std::string_view::npos || !line.empty()) line.append(bytes.substr(0, used));
    if (end == std::string_view::npos) {
        // Another protocol may have no lines at all.
        const std::string_view begin = std::string_view(line).substr(0, protocol.size());
        const bool other =
            !ascii::iequals(begin, protocol.substr(0, begin.size())) && begin != "\r";
        if (stage == Stage::status_line && other) fail_syntax("this is no status line");
        return used;
    }
    std::string_view text = line.empty() ? bytes.substr(0, used) : std::string_view(line);
    text.remove_suffix(1);
    if (text.ends_with('\r')) {
        text.remove_suffix(1);
    } else {
        head.note_quirk("lines end with LF alone");
    }
    take_line(text);
    line.clear();
    return used;
}

void ResponseReader::Impl::take_line(std::string_view text) {
    switch (stage) {
        case Stage::status_line:
            take_status_line(text);
            break;
        case Stage::fields:
            if (text.empty()) {
                end_head();
            } else {
                head.add_field_line(text);
            }
            break;
        case Stage::chunk_size:
            take_chunk_size(text);
            break;
        case Stage::chunk_end:
            if (!text.empty()) return fail_syntax("a chunk is longer than its size");
            lines_size = 0;
            stage = Stage::chunk_size;
            break;
        default:  // trailers
            if (text.empty()) status = ResponseStatus::complete;
            break;
    }
}

void ResponseReader::Impl::take_status_line(std::string_view text) {
    if (text.empty() && ++empty_lines <= max_empty_lines) {
        head.note_quirk("an empty line comes before the status line");
    } else if (!head.add_status_line(text)) {
        fail_syntax("this is no status line");
    } else if (head.code() == 101) {
        fail_syntax("the server wants to change the protocol");
    } else {
        stage = Stage::fields;
    }
}

void ResponseReader::Impl::end_head() {
    head.finish();
    if (head.code() < 200) {
        // Their size stays in `lines_size`: a server that sends nothing else never answers.
        interim = true;
        const std::string_view quirk = head.quirk();
        begin_message();
        if (!quirk.empty()) head.note_quirk(quirk);
        return;
    }
    has_head = true;
    lines_size = 0;
    left = head.length();
    switch (head_only ? Framing::none : head.framing()) {
        case Framing::counted:
            stage = Stage::counted;
            if (left == 0) status = ResponseStatus::complete;
            break;
        case Framing::chunked:
            stage = Stage::chunk_size;
            break;
        case Framing::until_end:
            stage = Stage::until_end;
            break;
        case Framing::none:
        case Framing::unclear:
            status = ResponseStatus::complete;
            break;
    }
}

void ResponseReader::Impl::take_chunk_size(std::string_view text) {
    const auto size = chunk_size(text, head);
    if (!size) return fail_syntax("the size of a chunk is not a number");
    lines_size = 0;
    left = *size;
    stage = left == 0 ? Stage::trailers : Stage::chunk;
}

std::size_t ResponseReader::Impl::put_body(std::string_view bytes) {
    if (stage != Stage::until_end) {
        bytes =
            bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
        left -= bytes.size();
    }
    body_size += bytes.size();
    if (head.is_plain()) body.append(bytes.substr(0, limits.body - body.size()));
    if (body_size > limits.drain) {
        fail("the body is too long");
    } else if (stage == Stage::counted && left == 0) {
        status = ResponseStatus::complete;
    } else if (stage == Stage::chunk && left == 0) {
        stage = Stage::chunk_end;
    }
    return bytes.size();
}

ResponseReader::ResponseReader(ResponseLimits limits, std::span<const std::string_view> wanted)
    : impl_(std::make_unique<Impl>(limits, wanted)) {}
ResponseReader::~ResponseReader() = default;
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;

std::size_t ResponseReader::put(std::string_view bytes) {
    Impl& impl = *impl_;
    std::size_t used = 0;
    while (used < bytes.size() && impl.status == ResponseStatus::need_more) {
        impl.started = true;
        used += impl.put(bytes.substr(used));
    }
    return used;
}

void ResponseReader::put_end() {
    Impl& impl = *impl_;
    if (impl.status != ResponseStatus::need_more) return;
    if (impl.stage == Stage::until_end) {
        impl.status = ResponseStatus::complete;
    } else {
        impl.fail(impl.started ? "the connection ended in the middle of the response"
                               : "the connection ended before the response");
    }
}

ResponseStatus ResponseReader::status() const noexcept {
    return impl_->status;
}
bool ResponseReader::started() const noexcept {
    return impl_->started;
}
std::string_view ResponseReader::error() const noexcept {
    return impl_->error;
}

bool ResponseReader::has_head() const noexcept {
    return impl_->has_head;
}

bool ResponseReader::body_is_too_long() const noexcept {
    return impl_->body_size > impl_->limits.drain;
}

bool ResponseReader::end_is_unclear() const noexcept {
    return impl_->has_head && (impl_->garbled || impl_->head.contradicts_itself());
}

std::string_view ResponseReader::quirk() const noexcept {
    return impl_->head.quirk();
}

int ResponseReader::code() const {
    BOOST_ASSERT(has_head());
    return impl_->head.code();
}

bool ResponseReader::keep_alive() const {
    return impl_->status == ResponseStatus::complete && impl_->head.keeps_connection();
}

std::string_view ResponseReader::field(std::string_view name) const {
    return impl_->head.field(name);
}

std::string ResponseReader::joined_field(std::string_view name) const {
    return impl_->head.joined_field(name);
}

std::string_view ResponseReader::body() const {
    return impl_->body;
}

bool ResponseReader::body_is_coded() const noexcept {
    return impl_->body_size > 0 && !impl_->head.is_plain();
}

void ResponseReader::reset(ResponseTo request) {
    Impl& impl = *impl_;
    impl.begin_message();
    impl.lines_size = 0;
    impl.head_only = request == ResponseTo::connect;
    impl.status = ResponseStatus::need_more;
    impl.started = false;
    impl.interim = false;
    impl.error.clear();
}

}  // namespace flowrelay::http

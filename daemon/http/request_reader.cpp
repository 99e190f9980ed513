#include "flowrelay/http/request_reader.hpp"

#include <algorithm>
#include <boost/assert.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <utility>

#include "feeder.hpp"
#include "flowrelay/base/ascii.hpp"
#include "head.hpp"

namespace flowrelay::http {

namespace {

namespace bh = boost::beast::http;
using BeastView = boost::beast::string_view;

std::string_view view(BeastView text) noexcept {
    return {text.data(), text.size()};
}

/// Stores what Beast's parser reads.
struct Message {
    Head head;
    Head::Slice method;
    Head::Slice target;
    int minor_version = 1;
    bool expects_continue = false;
    std::string body;
    std::string_view problem;  // a better explanation than Beast's error code

    void clear() {
        problem = {};
        head.clear();
        method = {};
        target = {};
        minor_version = 1;
        expects_continue = false;
        body.clear();
        if (body.capacity() > kept_body_capacity) body.shrink_to_fit();
    }
};

class Parser final : public bh::basic_parser<true> {
public:
    Parser(Message& message, const RequestLimits& limits) : message_(message) {
        header_limit(limits.head);
        body_limit(limits.body);
    }

    // Called by Beast since 1.83. Ignores trailers.
    void on_trailer_field_impl(bh::field, BeastView, BeastView, error_code&) {}

private:
    void on_request_impl(bh::verb, BeastView method, BeastView target, int version,
                         error_code&) override {
        message_.method = message_.head.add_text(view(method));
        message_.target = message_.head.add_text(view(target));
        message_.minor_version = version % 10;
    }

    void on_response_impl(int, BeastView, int, error_code&) override {}

    void on_field_impl(bh::field, BeastView name, BeastView value, error_code&) override {
        if (!is_header_done()) message_.head.add_field(view(name), view(value));
    }

    void on_header_impl(error_code& ec) override {
        Head& head = message_.head;
        head.finish();
        check_framing(ec);
        if (ec) return;
        const std::size_t hosts = head.count("Host");
        if (hosts > 1 || (hosts == 0 && message_.minor_version >= 1)) {
            message_.problem = hosts > 1
                                   ? "this request has more than one Host field"
                                   : "this request has no Host field, which HTTP/1.1 requires";
            ec = bh::error::bad_value;
            return;
        }
        message_.expects_continue =
            message_.minor_version >= 1 && ascii::iequals(head.field("Expect"), "100-continue");
    }

    // Rejects requests with ambiguous framing (RFC 9112 section 6): another reader could see a
    // different request in the body (request smuggling). Beast rejects only some of these.
    void check_framing(error_code& ec) {
        const Head& head = message_.head;
        const std::size_t lengths = head.count("Content-Length");
        const std::size_t encodings = head.count("Transfer-Encoding");
        if (lengths > 1 || head.field("Content-Length").find(',') != std::string_view::npos) {
            message_.problem = "this request has more than one Content-Length";
            ec = bh::error::multiple_content_length;
        } else if (encodings > 0 && (encodings > 1 || lengths > 0 || message_.minor_version == 0 ||
                                     !ascii::iequals(head.field("Transfer-Encoding"), "chunked"))) {
            message_.problem =
                "this request has a Transfer-Encoding other than a single \"chunked\", or beside a "
                "Content-Length, or in HTTP/1.0";
            ec = bh::error::bad_transfer_encoding;
        }
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

    std::size_t on_body_impl(BeastView body, error_code&) override {
        message_.body.append(body.data(), body.size());
        return body.size();
    }

    void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code&) override {
        message_.body.append(body.data(), body.size());
        return body.size();
    }

    void on_finish_impl(error_code&) override {}

    Message& message_;
};

ReadStatus status_of(const error_code& ec) noexcept {
    if (ec == bh::error::header_limit) return ReadStatus::head_too_large;
    if (ec == bh::error::body_limit) return ReadStatus::body_too_large;
    return ReadStatus::bad_request;
}

/// Returns what is wrong with a complete request line; empty if the parser can take it.
std::string_view problem_of_line(std::string_view line) {
    if (line.starts_with("PRI * HTTP/2")) {
        return "this is HTTP/2: use HTTP/1.1 (curl: --http1.1)";
    }
    if (!line.ends_with('\r')) {
        return "the request line ends with a bare LF: lines of a head end with CR LF";
    }
    line.remove_suffix(1);
    while (line.ends_with(' ')) line.remove_suffix(1);
    const std::size_t last = line.rfind(' ');
    const std::string_view version = last == line.npos ? "" : line.substr(last + 1);
    if (!version.starts_with("HTTP/")) {
        return "the request line has no version: it has to end with HTTP/1.1";
    }
    if (!version.starts_with("HTTP/1.")) {
        return "this version of HTTP is not supported: use HTTP/1.1";
    }
    return {};
}

std::string_view problem_of(const error_code& ec) noexcept {
    if (ec == bh::error::bad_line_ending) {
        return "a line of the head does not end with CR LF (a bare LF, or a broken request line)";
    }
    if (ec == bh::error::bad_field)
        return "a header field has no name, or a name that can't be one";
    if (ec == bh::error::bad_value) {
        return "a header field has a value that can't be one, or does not end with CR LF";
    }
    if (ec == bh::error::bad_content_length) return "the Content-Length is not a number";
    if (ec == bh::error::bad_chunk || ec == bh::error::bad_chunk_extension) {
        return "the chunked body is broken";
    }
    if (ec == bh::error::bad_target) return "the target of the request can't be one";
    if (ec == bh::error::bad_method) return "the method of the request can't be one";
    if (ec == bh::error::bad_version) return "this version of HTTP is not supported: use HTTP/1.1";
    return "this is not an HTTP request";
}

/// Splits a request target into path and query. Returns false if it has none of the forms of RFC
/// 9112 section 3.2.
bool split_target(std::string_view method, std::string_view target, Request& request) {
    if (method == "CONNECT" || (method == "OPTIONS" && target == "*")) {
        request.path = target;
        return true;
    }
    if (!target.starts_with('/')) {
        const std::size_t scheme = target.find("://");
        if (scheme == std::string_view::npos) return false;
        const std::string_view name = target.substr(0, scheme);
        if (!ascii::iequals(name, "http") && !ascii::iequals(name, "https")) return false;
        target.remove_prefix(scheme + 3);
        const std::size_t end = target.find_first_of("/?");
        if (end == 0 || target.empty()) return false;
        target.remove_prefix(end == std::string_view::npos ? target.size() : end);
    }
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (request.path.empty()) request.path = "/";
    if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
    return true;
}

/// "Application/JSON; charset=utf-8" -> "application/json".
void assign_media_type(std::string& out, std::string_view value) {
    out.assign(ascii::trim(value.substr(0, value.find(';'))));
    for (char& c : out) c = ascii::lower(c);
}

}  // namespace

struct RequestReader::Impl {
    explicit Impl(RequestLimits l) : limits(l), feeder(l.head) { parser.emplace(message, limits); }

    RequestLimits limits;
    Message message;
    Feeder<true> feeder;
    std::optional<Parser> parser;
    ReadStatus status = ReadStatus::need_more;
    bool started = false;
    bool empty_line_begun = false;  // a CR before the request line was read, its LF was not
    Request request;
    std::string content_type;

    std::string line;  // the request line read so far, until it has ended
    bool line_ended = false;

    std::size_t skip_empty_lines(std::string_view bytes);
    void look_at_line(std::string_view bytes);
    void refuse(std::string_view problem) {
        status = ReadStatus::bad_request;
        message.problem = problem;
    }
    void complete();
};

/// Skips empty lines before a request line (RFC 9112 section 2.2).
std::size_t RequestReader::Impl::skip_empty_lines(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (empty_line_begun) {
            if (bytes[at] != '\n') {
                refuse("there is a CR without LF in front of the request");
                return at;
            }
            empty_line_begun = false;
        } else if (bytes[at] == '\r') {
            empty_line_begun = true;
        } else {
            break;
        }
        ++at;
    }
    return at;
}

// Checks the request line: Beast waits for more input if it has no version, and its errors say
// little.
void RequestReader::Impl::look_at_line(std::string_view bytes) {
    const std::size_t end = bytes.find('\n');
    line.append(bytes.substr(0, std::min<std::size_t>(end, limits.head)));
    if (end == bytes.npos) return;
    line_ended = true;
    const std::string_view problem = problem_of_line(line);
    if (!problem.empty()) refuse(problem);
}

void RequestReader::Impl::complete() {
    request.method = message.head.text(message.method);
    if (!split_target(request.method, message.head.text(message.target), request)) {
        refuse("the target of the request is neither a path nor an http URL");
        return;
    }
    assign_media_type(content_type, message.head.field("Content-Type"));
    request.content_type = content_type;
    request.body = message.body;
    request.keep_alive = parser->keep_alive();
    request.minor_version = message.minor_version;
    status = ReadStatus::complete;
}

RequestReader::RequestReader(RequestLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

std::size_t RequestReader::put(std::string_view bytes) {
    Impl& impl = *impl_;
    if (impl.status != ReadStatus::need_more) return 0;
    std::size_t used = 0;
    if (!impl.started) {
        used = impl.skip_empty_lines(bytes);
        if (impl.status != ReadStatus::need_more) return used;
    }
    if (used == bytes.size()) return used;
    impl.started = true;
    if (!impl.line_ended) impl.look_at_line(bytes.substr(used));
    if (impl.status != ReadStatus::need_more) return used;
    error_code ec;
    used += impl.feeder.put(*impl.parser, bytes.substr(used), ec);
    if (ec) {
        impl.status = status_of(ec);
        if (impl.message.problem.empty()) impl.message.problem = problem_of(ec);
    } else if (impl.parser->is_done()) {
        impl.complete();
    }
    return used;
}

ReadStatus RequestReader::status() const noexcept {
    return impl_->status;
}

std::string_view RequestReader::problem() const noexcept {
    return impl_->message.problem;
}

std::size_t RequestReader::body_bytes() const noexcept {
    return impl_->message.body.size();
}

bool RequestReader::take_expects_continue() noexcept {
    Impl& impl = *impl_;
    if (impl.status != ReadStatus::need_more || !impl.parser->is_header_done()) return false;
    // A client that has begun to send its body is not waiting.
    return std::exchange(impl.message.expects_continue, false) && impl.message.body.empty();
}

bool RequestReader::started() const noexcept {
    return impl_->started;
}

const Request& RequestReader::request() const {
    BOOST_ASSERT(impl_->status == ReadStatus::complete);
    return impl_->request;
}

std::string_view RequestReader::field(std::string_view name) const {
    return impl_->message.head.field(name);
}

std::span<const Field> RequestReader::fields() const {
    return impl_->message.head.fields();
}

void RequestReader::reset() {
    Impl& impl = *impl_;
    impl.message.clear();
    impl.feeder.reset();
    impl.parser.emplace(impl.message, impl.limits);
    impl.status = ReadStatus::need_more;
    impl.started = false;
    impl.line.clear();
    impl.line_ended = false;
    impl.empty_line_begun = false;
    impl.request = {};
}

}  // namespace flowrelay::http

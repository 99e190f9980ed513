#include "flowrelay/http/response_reader.hpp"

#include <algorithm>
#include <array>
#include <boost/assert.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>

#include "feeder.hpp"
#include "head.hpp"

namespace flowrelay::http {

namespace {

namespace bh = boost::beast::http;
using BeastView = boost::beast::string_view;

// A server that keeps sending interim responses never answers.
constexpr int most_interim_responses = 16;

// "HTTP/1.1 202"
constexpr std::size_t status_end = 12;

// What a connection keeps of its largest body.
constexpr std::size_t kept_body_capacity = 64 * 1024;

std::string_view view(BeastView text) noexcept {
    return {text.data(), text.size()};
}

/// Where Beast's parser puts what it reads.
struct Message {
    explicit Message(std::span<const std::string_view> names) : wanted(names) {}

    bool wants(std::string_view name) const noexcept {
        const auto is_it = [name](std::string_view other) { return iequals(name, other); };
        return wanted.empty() || std::ranges::any_of(wanted, is_it);
    }

    std::span<const std::string_view> wanted;
    Head head;
    int code = 0;
    int minor_version = 1;
    std::string body;
    std::uint64_t body_size = 0;  // before it was cut

    bool has_head = false;  // as a whole, and in order

    // What is in the head, so that it need not be searched.
    int lengths = 0;
    int encodings = 0;
    bool chunked = false;

    void clear() {
        head.clear();
        code = 0;
        minor_version = 1;
        body.clear();
        if (body.capacity() > kept_body_capacity) body.shrink_to_fit();
        body_size = 0;
        has_head = false;
        lengths = encodings = 0;
        chunked = false;
    }
};

class Parser final : public bh::basic_parser<false> {
public:
    Parser(Message& message, const ResponseLimits& limits) : message_(message), limits_(limits) {
        header_limit(limits.head);
        body_limit(boost::none);  // counted in add_body, where it can be cut instead
    }

    // Called by Beast from 1.83 on; trailers are passed over.
    void on_trailer_field_impl(bh::field, BeastView, BeastView, error_code&) {}

private:
    void on_request_impl(bh::verb, BeastView, BeastView, int, error_code&) override {}

    void on_response_impl(int code, BeastView, int version, error_code& ec) override {
        message_.code = code;
        message_.minor_version = version % 10;
        if (code < 100 || code > 599) ec = bh::error::bad_status;
        // Nobody asked for another protocol.
        if (code == 101) ec = bh::error::bad_status;
    }

    void on_field_impl(bh::field field, BeastView name, BeastView value, error_code&) override {
        if (is_header_done()) return;
        if (message_.wants(view(name))) message_.head.add_field(view(name), view(value));
        if (field == bh::field::content_length) {
            ++message_.lengths;
        } else if (field == bh::field::transfer_encoding) {
            ++message_.encodings;
            message_.chunked = iequals(view(value), "chunked");
        }
    }

    void on_header_impl(error_code& ec) override {
        Message& m = message_;
        // Beast sees to it that several lengths are all the same (RFC 9112, section 6.3).
        if (m.encodings > 1 || (m.encodings == 1 && (m.lengths > 0 || !m.chunked))) {
            ec = bh::error::bad_transfer_encoding;
        } else {
            m.has_head = m.code >= 200;
        }
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

    std::size_t on_body_impl(BeastView body, error_code& ec) override { return add_body(body, ec); }

    void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code& ec) override {
        return add_body(body, ec);
    }

    void on_finish_impl(error_code&) override {}

    std::size_t add_body(BeastView body, error_code& ec) {
        message_.body_size += body.size();
        const std::uint64_t room = limits_.body - message_.body.size();
        message_.body.append(body.data(),
                             static_cast<std::size_t>(std::min<std::uint64_t>(room, body.size())));
        if (message_.body_size > limits_.drain) ec = bh::error::body_limit;
        return body.size();
    }

    Message& message_;
    const ResponseLimits& limits_;
};

}  // namespace

struct ResponseReader::Impl {
    Impl(ResponseLimits l, std::span<const std::string_view> wanted)
        : limits(l), message(wanted), feeder(l.head) {
        parser.emplace(message, limits);
    }

    ResponseLimits limits;
    Message message;
    Feeder<false> feeder;
    std::optional<Parser> parser;
    ResponseStatus status = ResponseStatus::need_more;
    bool started = false;
    std::size_t line_read = 0;  // of the status line, as far as the byte behind the status
    std::array<char, status_end> line{};
    int interim_responses = 0;
    std::string error;

    void begin_message() {
        message.clear();
        feeder.reset();
        parser.emplace(message, limits);
        line_read = 0;
    }
    std::size_t put_status_line(std::string_view bytes, error_code& ec);
    void fail(std::string_view why) {
        status = ResponseStatus::broken;
        error = why;
    }
    void fail(const error_code& ec);
    void finish();
};

void ResponseReader::Impl::fail(const error_code& ec) {
    if (ec == bh::error::header_limit) {
        fail("the head is too long");
    } else if (ec == bh::error::body_limit) {
        fail("the body is too long");
    } else if (ec == bh::error::partial_message) {
        fail("the connection ended in the middle of the response");
    } else {
        fail("not valid HTTP: " + ec.message());
    }
}

// Beast insists on the space behind the status. Some servers that have no reason to give leave it
// out, and everybody else takes that.
std::size_t ResponseReader::Impl::put_status_line(std::string_view bytes, error_code& ec) {
    if (line_read < status_end) {
        const auto some = bytes.substr(0, status_end - line_read);
        std::ranges::copy(some, line.begin() + static_cast<std::ptrdiff_t>(line_read));
        line_read += some.size();
        return feeder.put(*parser, some, ec);
    }
    ++line_read;
    const bool has_status = std::string_view(line.data(), 7) == "HTTP/1." && line[8] == ' ';
    if (bytes.front() == '\r' && has_status) feeder.put(*parser, " ", ec);
    return 0;
}

void ResponseReader::Impl::finish() {
    if (message.code >= 200) {
        status = ResponseStatus::complete;
    } else if (++interim_responses > most_interim_responses) {
        fail("too many interim responses");
    } else {
        begin_message();
    }
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
        error_code ec;
        const std::string_view rest = bytes.substr(used);
        const bool plain =
            impl.line_read == 0 && rest.size() > status_end && rest[status_end] == ' ';
        if (plain) impl.line_read = status_end + 1;
        used += impl.line_read <= status_end ? impl.put_status_line(rest, ec)
                                             : impl.feeder.put(*impl.parser, rest, ec);
        if (ec) {
            impl.fail(ec);
        } else if (impl.parser->is_done()) {
            impl.finish();
        }
    }
    return used;
}

void ResponseReader::put_end() {
    Impl& impl = *impl_;
    if (impl.status != ResponseStatus::need_more) return;
    if (!impl.parser->is_header_done()) {
        impl.fail(impl.started ? "the connection ended in the middle of the response"
                               : "the connection ended before the response");
        return;
    }
    error_code ec;
    impl.parser->put_eof(ec);
    if (ec) {
        impl.fail(ec);
    } else {
        impl.finish();
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
    return impl_->message.has_head;
}

bool ResponseReader::body_is_too_long() const noexcept {
    const Message& message = impl_->message;
    return message.has_head && message.body_size > impl_->limits.drain;
}

int ResponseReader::code() const {
    BOOST_ASSERT(has_head());
    return impl_->message.code;
}

bool ResponseReader::keep_alive() const {
    const Impl& impl = *impl_;
    if (impl.status != ResponseStatus::complete || !impl.parser->keep_alive()) return false;
    // RFC 9112 section 6.1: the framing of a chunked HTTP/1.0 message is not to be trusted.
    return impl.message.minor_version >= 1 || !impl.parser->chunked();
}

std::string_view ResponseReader::field(std::string_view name) const {
    return impl_->message.head.field(name);
}

std::string_view ResponseReader::body() const {
    return impl_->message.body;
}

void ResponseReader::reset() {
    Impl& impl = *impl_;
    impl.begin_message();
    impl.status = ResponseStatus::need_more;
    impl.started = false;
    impl.interim_responses = 0;
    impl.error.clear();
}

}  // namespace flowrelay::http

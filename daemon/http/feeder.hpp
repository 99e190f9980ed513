// Feeds a Beast parser with input in pieces of any size.
//
// Beast requires a head, a chunk header or the trailers in one piece, and leaves unconsumed what is
// incomplete. The feeder keeps those bytes, so that the caller may discard its buffer.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::http {

template <bool is_request>
class Feeder {
public:
    using Parser = boost::beast::http::basic_parser<is_request>;

    explicit Feeder(std::uint32_t head_limit) : head_limit_(head_limit) {}

    /// Returns how many of `bytes` were consumed: all, unless the message is complete or `ec` is
    /// set. The parser must not be done, and `bytes` must not be empty.
    std::size_t put(Parser& parser, std::string_view bytes, error_code& ec) {
        assert(!parser.is_done() && !bytes.empty());
        if (pending_.empty()) {
            const std::size_t used = advance(parser, bytes, ec);
            if (ec || parser.is_done()) return used;
            pending_.assign(bytes.substr(used));
        } else {
            const std::size_t before = pending_.size();
            pending_.append(bytes);
            if (parser.is_header_done() && pending_.size() < shortest_last_chunk)
                return bytes.size();
            const std::size_t used = advance(parser, pending_, ec);
            if (ec || parser.is_done()) {
                pending_.clear();
                return used > before ? used - before : 0;
            }
            pending_.erase(0, used);
        }
        check_pending(parser, ec);
        return bytes.size();
    }

    void reset() noexcept {
        pending_.clear();
        head_size_ = 0;
    }

private:
    // "0" CRLF CRLF. At least this many bytes follow wherever a chunk header is expected, and Beast
    // 1.81 asserts that it has them when it parses a last chunk again.
    static constexpr std::size_t shortest_last_chunk = 5;

    std::size_t advance(Parser& parser, std::string_view bytes, error_code& ec) {
        namespace bh = boost::beast::http;
        std::size_t used = 0;
        ec = {};
        // Beast is not in eager mode: it stops at the end of the head, so the size of the head is
        // known.
        while (used < bytes.size() && !parser.is_done()) {
            const bool in_head = !parser.is_header_done();
            const std::size_t n =
                parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
            used += n;
            if (in_head) {
                head_size_ += n;
                if (head_size_ > head_limit_ && (!ec || ec == bh::error::need_more)) {
                    ec = bh::error::header_limit;
                }
            }
            if (ec) break;
        }
        if (ec == bh::error::need_more) ec = {};
        return used;
    }

    // Limits the bytes kept: Beast limits head, chunk headers and trailers separately, and some not
    // at all.
    void check_pending(const Parser& parser, error_code& ec) const {
        namespace bh = boost::beast::http;
        if (!parser.is_header_done()) {
            if (head_size_ + pending_.size() > head_limit_) ec = bh::error::header_limit;
        } else if (pending_.size() > head_limit_) {
            ec = bh::error::bad_chunk;
        }
    }

    std::uint32_t head_limit_;
    std::size_t head_size_ = 0;
    std::string pending_;
};

}  // namespace flowrelay::http

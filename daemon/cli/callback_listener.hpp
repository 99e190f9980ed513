// The HTTP server on loopback that the browser is sent back to with the code.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/http/request_reader.hpp"

namespace flowrelay::cli {

/// Serves one path, GET alone. Everything else gets 404. One thread, which waits with poll(2).
class CallbackListener {
public:
    /// `address`: of this machine, "127.0.0.1" or "::1"; port 0 takes a free one. Error: the port
    /// is taken, say; a sentence with what to do.
    static Result<std::unique_ptr<CallbackListener>> open(const std::string& address,
                                                          std::uint16_t port, std::string path);
    ~CallbackListener();
    CallbackListener(const CallbackListener&) = delete;
    CallbackListener& operator=(const CallbackListener&) = delete;

    std::uint16_t port() const noexcept { return port_; }

    /// Adds what is to be waited for.
    void add_to(std::vector<pollfd>& waiting) const;

    /// Serves what poll(2) has found. Each request for the path is shown to `is_ours` with its
    /// query until that returns true; the browser of that request then waits for answer(). False
    /// gets 404. Returns whether there was one that is ours.
    bool serve(const std::vector<pollfd>& found,
               const std::function<bool(std::string_view query)>& is_ours);

    /// Sends a page to the browser that waits, if it still does.
    void answer(bool success, std::string_view heading, std::string_view text);

private:
    struct Browser;
    CallbackListener(int fd, std::uint16_t port, std::string path);
    void accept_browser();
    bool is_done(Browser& browser, const std::function<bool(std::string_view)>& is_ours);

    int fd_;
    std::uint16_t port_;
    std::string path_;
    std::list<Browser> browsers_;
    int waiting_ = -1;  ///< the connection of the browser that answer() is for
};

/// The page for people: no scripts, nothing from elsewhere, the text escaped.
std::string callback_page(bool success, std::string_view heading, std::string_view text);

}  // namespace flowrelay::cli

// The HTTP server on loopback to which the browser is redirected with the code.
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

/// Serves GET for one path. All other requests get 404. Used by one thread, which waits with
/// poll(2).
class CallbackListener {
public:
    /// Opens the listener on `address`, "127.0.0.1" or "::1". Port 0 chooses a free port. Error:
    /// for example, the port is in use; the message is a sentence that says what to do.
    static Result<std::unique_ptr<CallbackListener>> open(const std::string& address,
                                                          std::uint16_t port, std::string path);
    ~CallbackListener();
    CallbackListener(const CallbackListener&) = delete;
    CallbackListener& operator=(const CallbackListener&) = delete;

    std::uint16_t port() const noexcept { return port_; }

    /// Adds the descriptors to wait for.
    void add_to(std::vector<pollfd>& waiting) const;

    /// Serves the ready descriptors. Calls `is_ours` with the query of each request for the path
    /// until it returns true; the browser of that request then waits for answer(). The others get
    /// 404. Returns whether a request was ours.
    bool serve(const std::vector<pollfd>& found,
               const std::function<bool(std::string_view query)>& is_ours);

    /// Sends a page to the waiting browser, if it is still connected.
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
    int waiting_ = -1;  ///< the connection that answer() writes to
};

/// Returns the page for the user: without scripts or external resources, with the text escaped.
std::string callback_page(bool success, std::string_view heading, std::string_view text);

}  // namespace flowrelay::cli

// One connection of a client.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "service.hpp"

namespace flowrelay::devserver {

/// Serves requests until the connection ends. `service` and `tls` outlive the io_context.
boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket, Service& service);
boost::asio::awaitable<void> serve_tls(boost::asio::ip::tcp::socket socket,
                                       boost::asio::ssl::context& tls, Service& service);

}  // namespace flowrelay::devserver

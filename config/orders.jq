# What the shop's own service needs of an order, made of what its clients send.
{
  customer: $identity.sub,
  placed_by: $headers["user-agent"],
  lines: [.items[] | { sku: .article, quantity: (.count // 1) }],
}

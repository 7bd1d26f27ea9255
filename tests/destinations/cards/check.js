// Reads cards, one JSON value a line, and writes for each a line with what Microsoft's parser says of it.

// The package draws cards in a browser and is told here that there is none: only its parser is used.
const AdaptiveCards = require('adaptivecards/dist/adaptivecards.js');
const readline = require('node:readline');

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const context = new AdaptiveCards.SerializationContext();
  const card = new AdaptiveCards.AdaptiveCard();
  card.parse(JSON.parse(line), context);
  const events = [];
  for (let index = 0; index < context.eventCount; index += 1) {
    const { phase, event, message } = context.getEventAt(index);
    events.push({ phase, event, message });
  }
  for (const { event, message } of card.validateProperties().validationEvents) events.push({ event, message });
  console.log(JSON.stringify({ items: card.getItemCount(), events }));
});

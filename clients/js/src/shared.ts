/** For those who show instances in ways of their own: texts, formats, and which commands make sense when. */
export { doneText, everywhere, ofPanels, tasksEnded } from "./english.js";
export { endedOf, nameOf, statusText, taskText, titleOf } from "./format.js";
export { COMMANDS, GRAVE, LISTED, runOffers, taskOffers, USUAL, type Asked, type Command, type Offer, type Reason } from "./run/commands.js";
export { request, type Given } from "./run/request.js";

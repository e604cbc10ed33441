// What the pages take of others' modules, as one file: each is small, and all are needed at once.

export { Component, createContext, createRef, h, render } from "preact";
export { useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
export { default as htm } from "htm";
export { io } from "socket.io-client";
